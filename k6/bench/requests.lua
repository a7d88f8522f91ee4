-- Sends the requests of a file, one after another, once each or (-- again) over and over. A line is
-- METHOD <tab> path <tab> header: value <tab> … <tab><tab> body
local requests, index, again = {}, 0, false

function init(arguments)
  again = arguments[2] == "again"
  for line in io.lines(arguments[1]) do
    local head, body = line:match("^(.-)\t\t(.*)$")
    head = head or line
    local parts = {}
    for part in head:gmatch("[^\t]+") do parts[#parts + 1] = part end
    local headers = { Host = wrk.headers["Host"] }
    for i = 3, #parts do
      local name, value = parts[i]:match("^(.-): (.*)$")
      headers[name] = value
    end
    requests[#requests + 1] = wrk.format(parts[1], parts[2], headers, body)
  end
end

function request()
  if index == #requests then
    if again then index = 0 else wrk.thread:stop() end
  else
    index = index + 1
  end
  return requests[math.max(index, 1)]
end
