"""Which page next; the API and the work DB meet here."""
