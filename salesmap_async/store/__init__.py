"""The work DB: unpublished data and progress of one run; knows no HTTP."""
