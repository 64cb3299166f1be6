"""The snapshot for other programs and language-model agents, over the Model Context Protocol."""
