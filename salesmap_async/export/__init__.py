"""The snapshot in other people's formats: Excel, CSV, JSON Lines, Parquet, Singer."""
