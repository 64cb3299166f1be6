"""The version of this program; the package's metadata takes it from here."""

VERSION = "0.1.0"
