-- Status of prepared verifications, one after the other and again from the first.
dofile(os.getenv("BENCH_COMMON"))
local ids, place = lines_of("BENCH_IDS"), 0

function request()
  place = place % #ids + 1
  return wrk.format("GET", "/v1/verifications/" .. ids[place], HEADERS)
end
