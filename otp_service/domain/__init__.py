"""Values and rules. No I/O, no framework: everything here can be tested with a table of cases."""
