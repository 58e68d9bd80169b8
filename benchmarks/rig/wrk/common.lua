-- What the scripts of wrk share; each begins with `dofile` of it. All they are told comes from the environment.
local threads = {}

HEADERS = {["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY"), ["Content-Type"] = "application/json"}

function setup(thread) table.insert(threads, thread) end

-- Lines of the file that a variable names.
function lines_of(variable)
  local found = {}
  for line in io.lines(os.getenv(variable)) do found[#found + 1] = line end
  return found
end

-- Phones never repeat: a walk through all numbers of +791 by a step that has no common factor with 10^8, from a place
-- that nobody else of the run begins at. Nobody is a stranger, as on a usual day, when others of a network have answered.
local place = tonumber(os.getenv("BENCH_FIRST") or "0")
function start()
  place = (place + 18033989) % 100000000
  local ip = string.format("10.%d.%d.%d", math.floor(place / 65536) % 256, math.floor(place / 256) % 256, place % 256)
  return wrk.format("POST", "/v1/verifications", HEADERS, string.format(
    '{"to":"+791%08d","purpose":"login","client":{"ip":"%s","trusted":true}}', place, ip))
end

function check(id, code)
  return wrk.format("POST", "/v1/verifications/" .. id .. "/check", HEADERS, '{"code":"' .. code .. '"}')
end

-- One line for whoever started wrk. Times in microseconds; `wrong` are answers that say something else than they should.
function done(summary, latency)
  local wrong, signed_up = 0, 0
  for _, thread in ipairs(threads) do
    wrong = wrong + (thread:get("wrong") or 0)
    signed_up = signed_up + (thread:get("signed_up") or 0)
  end
  local e = summary.errors
  print(string.format("BENCH %d %d %d %d %d %d %d %d", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(95), latency:percentile(99), e.status, e.connect + e.read + e.write + e.timeout + wrong,
    signed_up))
end
