"""Everything a user touches: HTTP service, web page, command line."""
