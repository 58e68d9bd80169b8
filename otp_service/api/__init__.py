"""HTTP in: translates requests into the words of `verifications` and back. Decides nothing."""
