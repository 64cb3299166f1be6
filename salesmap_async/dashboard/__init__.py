"""A read-only web page over the published DB. Needs the extra `[dashboard]`."""
