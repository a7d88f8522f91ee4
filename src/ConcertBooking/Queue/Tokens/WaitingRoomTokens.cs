namespace ConcertBooking.Queue.Tokens;

/// <summary>How scripts find the place of a token, and restore it from the token after Redis lost data.</summary>
internal static class WaitingRoomTokens
{
    /// <summary>
    /// Whether a token still has a place. A user with a valid token who is missing in Redis was lost with its data and gets the
    /// old position, or the rest of the admission, back. A pass wins over a waiting entry, and a token from before a loss wins
    /// over one from after it; of two from before, the later one shows that the earlier place had been given up. An hour is the
    /// longest outage. RESTORED means that an admission is back after a loss: only MySQL knows whether it was used up meanwhile.
    /// </summary>
    public const string Recognise = """
        local function endOf(user)
          local ends = redis.call('ZSCORE', active, user)
          if not ends then return end
          ends = tonumber(ends)
          if ends > now then return ends end
          forget(user)
        end
        local function activate(user, ends, issued)
          redis.call('ZREM', waiting, user)
          redis.call('ZREM', seen, user)
          redis.call('ZADD', active, ends, user)
          redis.call('ZADD', shown, issued, user)
          return RESTORED
        end
        -- Restores a user who was active when the data ended, unless a later ticket shows that the place was given up.
        local function restoreDoubted(user, ticket, issued)
          local ends = ticket <= dataEnd and tonumber(redis.call('ZSCORE', doubted, user) or 0) or 0
          if ends <= now then return false end
          redis.call('ZREM', doubted, user)
          return activate(user, ends, issued)
        end
        local function recognise(user, ticket, issued, ends)
          local left = redis.call('ZSCORE', gone, user)
          if left and issued <= tonumber(left) then return false end
          if endOf(user) then return KNOWN end
          if now < settle and restoreDoubted(user, ticket, issued) then return RESTORED end
          local score = tonumber(redis.call('ZSCORE', waiting, user) or 0)
          if ends > 0 then
            if ends <= now or issued < score and score < to then return false end
            if issued >= to then startSettling() end
            if ends - now > math.max(idleMs, activeMs, longest) then keepLongest(ends - now) end
            return activate(user, ends, issued)
          end
          local stands = score > 0
          if not stands then
            if issued >= to then
              if nowUs - issued > idleMs * 1000 then return false end
              startSettling()
            elseif issued <= from or heard - lostHeard > idleMs or to - issued > hourUs then
              return false
            end
          elseif issued < to and (score >= to or ticket > score) then
            stands = false
          end
          if not stands then
            redis.call('ZADD', waiting, ticket, user)
            if ticket > last then
              last = ticket
              redis.call('HSET', meta, 'last', ticket)
            end
          end
          redis.call('ZADD', seen, heard, user)
          return KNOWN
        end

        """;
}
