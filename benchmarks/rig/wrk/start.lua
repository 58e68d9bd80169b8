-- Starts: each for another phone and another address.
dofile(os.getenv("BENCH_COMMON"))

function request() return start() end
