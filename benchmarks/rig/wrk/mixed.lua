-- Sign-ups: a start, for every fifth person a wrong code, then the right one. What is to be asked next is known from the
-- answers; any free connection asks it, and where nothing waits the next person begins.
dofile(os.getenv("BENCH_COMMON"))
local right, slip = os.getenv("BENCH_CODE"), os.getenv("BENCH_SLIP")
local waiting, first, last, people = {}, 1, 0, 0
wrong, signed_up = 0, 0

local function later(id, code)
  last = last + 1
  waiting[last] = {id, code}
end

function request()
  if first > last then return start() end
  local id, code = unpack(waiting[first])
  waiting[first] = nil
  first = first + 1
  return check(id, code)
end

function response(_, _, body)
  local id, outcome = body:match('"id":"([^"]+)"'), body:match('"outcome":"([^"]+)"')
  if not id then
    wrong = wrong + 1
  elseif outcome == "approved" then
    signed_up = signed_up + 1
  elseif outcome == "wrong_code" then
    later(id, right)
  elseif outcome then
    wrong = wrong + 1
  else
    people = people + 1
    later(id, people % 5 == 0 and slip or right)
  end
end
