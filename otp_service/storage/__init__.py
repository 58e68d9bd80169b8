"""The only package that knows Redis. Every state change is one script; what races, races in scripts/*.lua."""
