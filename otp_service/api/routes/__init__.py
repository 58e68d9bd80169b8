"""The routes, one module for each noun. They translate HTTP and decide nothing."""
