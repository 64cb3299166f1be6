"""Any table of the page as a file: Excel or CSV, all its rows."""
