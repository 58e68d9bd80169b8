-- Checks of prepared verifications with one code. Each is checked so often that it stays pending, or once with the right
-- code; who runs out of them asks for what is not there, which makes the run invalid.
dofile(os.getenv("BENCH_COMMON"))
local ids, place = lines_of("BENCH_IDS"), 0
local code, times = os.getenv("BENCH_CODE"), tonumber(os.getenv("BENCH_TIMES"))
local expected = '"outcome":"' .. os.getenv("BENCH_OUTCOME") .. '"'
wrong = 0

function request()
  place = place + 1
  if place > #ids * times then return check("none-left", code) end
  return check(ids[(place - 1) % #ids + 1], code)
end

function response(_, _, body)
  if not body:find(expected, 1, true) then wrong = wrong + 1 end
end
