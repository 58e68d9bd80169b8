-- Put behind a script that was made a function, `once`: it is done for each of several sets of keys and arguments, each
-- by itself, as if each were a call of its own. What one of them fails with is its answer and no other's.
-- KEYS: of all sets, one after the other. ARGV[1]: how many sets. Then, for each, how many keys and how many arguments
-- it has; then the arguments of all.
local answers, key, argument = {}, 0, 1 + 2 * ARGV[1]
for n = 1, tonumber(ARGV[1]) do
  local keys, arguments = {}, {}
  for i = 1, tonumber(ARGV[2 * n]) do keys[i] = KEYS[key + i] end
  for i = 1, tonumber(ARGV[2 * n + 1]) do arguments[i] = ARGV[argument + i] end
  key, argument = key + #keys, argument + #arguments
  local done, found = pcall(once, keys, arguments)
  if not done and type(found) ~= 'table' then found = {err = 'ERR ' .. tostring(found)} end
  answers[n] = found
end
return answers
