"""The operator's pages under /console: see and run the service in a browser."""
