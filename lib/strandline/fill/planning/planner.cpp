#include <strandline/fill/planning/planner.h>

#include <algorithm>
#include <cmath>

namespace strandline::fill {
namespace {

// What is on its way when a transfer is cut short has been sent for nothing.
constexpr Seconds kWorthDividing{0.2};
// A transfer that would take so long, and so many times as long as another one, is replaced.
constexpr Seconds kCrawlsFor{1};
constexpr double kCrawls = 4;

// A plan in the making: transfers that run, as trimmed, and those to be begun, by where they stand.
class Planner {
 public:
  explicit Planner(const Situation& situation) : now_(situation) {
    for (const Running& transfer : situation.running) {
      if (transfer.at < transfer.end) {
        claims_.push_back({{transfer.at, transfer.end}, &transfer});
      }
    }
    std::sort(claims_.begin(), claims_.end(), [](const Claim& a, const Claim& b) { return a.range < b.range; });
    free_ = situation.free_connections;
    background_ = situation.background_connections;
  }

  Plan make() {
    std::vector<Wanted> wanted(now_.wanted.begin(), now_.wanted.end());
    std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
      return std::tuple(a.background, a.deadline, a.range.begin) < std::tuple(b.background, b.deadline, b.range.begin);
    });
    end_surplus(wanted);
    for (const Wanted& each : wanted) {
      satisfy(each);
    }
    read_ahead(wanted);
    return std::move(plan_);
  }

 private:
  struct Claim {
    ByteRange range;
    const Running* transfer = nullptr;  // null: to be begun
  };

  // The claim that `offset` lies in, or the first behind it.
  std::vector<Claim>::iterator claim_at(std::uint64_t offset) {
    return std::upper_bound(claims_.begin(), claims_.end(), offset,
                            [](std::uint64_t at, const Claim& claim) { return at < claim.range.end; });
  }
  bool covers(std::vector<Claim>::iterator claim, std::uint64_t offset) {
    return claim != claims_.end() && claim->range.begin <= offset;
  }
  // How much one request asks for: so much that the way there and back is a small part of it.
  std::uint64_t subrange() const {
    const double size = now_.network.rate * std::max(1.0, 20 * now_.network.round_trip.count());
    return std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::min(size, 1e18)), now_.limits.min_subrange,
                                     now_.limits.max_subrange);
  }
  Seconds fresh_cost() const { return now_.network.round_trip + now_.network.setup; }
  Seconds soon() const { return std::max(fresh_cost(), kSoon); }
  double rate_of(const Running& transfer) const {
    return transfer.rate > 0 ? transfer.rate : std::max(now_.network.rate, 1.0);
  }
  // Until the transfer, which stands at `from`, brings the byte at `offset`.
  Seconds arrival(const Running& transfer, std::uint64_t from, std::uint64_t offset) const {
    return Seconds(static_cast<double>(offset - from) / rate_of(transfer)) +
           (transfer.answered ? Seconds(0) : now_.network.round_trip);
  }
  Seconds time_left(const Claim& claim) const {
    return claim.transfer == nullptr ? Seconds(0) : arrival(*claim.transfer, claim.range.begin, claim.range.end);
  }

  // Would another one in its place have brought the bytes from `from` to `upto` long before?
  bool crawls(const Running& transfer, std::uint64_t from, std::uint64_t upto) const {
    const Seconds anew = fresh_cost() + Seconds(static_cast<double>(upto - from) / std::max(now_.network.rate, 1.0));
    return transfer.settled && arrival(transfer, from, upto) > std::max(kCrawlsFor, kCrawls * anew);
  }

  void start(ByteRange range, bool demanded) {
    plan_.starts.push_back({range, demanded});
    claims_.insert(claim_at(range.begin), {range, nullptr});
    --free_;
    background_ -= background_ > 0 ? 1 : 0;
  }
  void trim(std::vector<Claim>::iterator claim, std::uint64_t end) {
    plan_.trims.push_back({claim->transfer->id, end});
    claim->range.end = std::max(end, claim->range.begin);
    if (claim->range.empty()) {
      claims_.erase(claim);
    }
  }

  // From the first byte of [from, limit) that is missing and nobody brings: as long as one request should be, up to
  // `reach`. Across what is there already, when that is less than asking once more would cost.
  std::optional<ByteRange> next_unclaimed(std::uint64_t from, std::uint64_t limit, std::uint64_t reach) {
    for (;;) {
      const auto gap = now_.next_gap(from, std::min(limit, now_.length));
      if (!gap) {
        return std::nullopt;
      }
      const auto claim = claim_at(gap->begin);
      if (!covers(claim, gap->begin)) {
        return extended(gap->begin, reach, claim == claims_.end() ? now_.length : claim->range.begin);
      }
      from = claim->range.end;
      if (from >= limit) {
        return std::nullopt;
      }
    }
  }
  ByteRange extended(std::uint64_t begin, std::uint64_t reach, std::uint64_t next_claim) {
    const std::uint64_t stop = std::min({begin + subrange(), std::max(reach, begin + 1), next_claim, now_.length});
    const auto bridge = std::min(now_.limits.max_bridge,
                                 static_cast<std::uint64_t>(now_.network.rate * now_.network.round_trip.count()));
    std::uint64_t end = begin;
    for (auto gap = now_.next_gap(begin, stop); gap && (end == begin || gap->begin - end <= bridge);
         gap = end < stop ? now_.next_gap(end, stop) : std::nullopt) {
      end = gap->end;
    }
    return {begin, end};
  }
  // How far past what is waited for a request may go.
  std::uint64_t reach_of(const Wanted& wanted) const {
    switch (now_.limits.policy) {
      case Policy::whole:
        return now_.length;
      case Policy::window:
        if (!now_.limits.ahead_of_waits) {
          break;
        }
        return std::max(wanted.range.end, std::min(now_.length, wanted.range.begin + now_.limits.window));
      case Policy::demand_only:
        break;
    }
    return wanted.range.end;
  }

  void satisfy(const Wanted& wanted) {
    for (std::uint64_t at = wanted.range.begin; at < wanted.range.end;) {
      const auto gap = now_.next_gap(at, std::min(wanted.range.end, now_.length));
      if (!gap) {
        return;
      }
      if (auto claim = claim_at(gap->begin); covers(claim, gap->begin)) {
        const ByteRange whole = claim->range;
        // What came since it was asked where it stands is there by now.
        const std::uint64_t stands = now_.next_gap(whole.begin, gap->begin).value_or(*gap).begin;
        if (claim->transfer != nullptr &&
            (arrival(*claim->transfer, stands, gap->begin) > soon() ||
             crawls(*claim->transfer, stands, std::min(wanted.range.end, whole.end))) &&
            may_start()) {
          claim = claim_at(gap->begin);
          if (!covers(claim, gap->begin)) {
            continue;  // it is the one that was given up
          }
          trim(claim, gap->begin);
          start(extended(gap->begin, std::min(whole.end, std::max(reach_of(wanted), gap->end)), whole.end), true);
        }
        at = whole.end;
        continue;
      }
      const auto next = next_unclaimed(gap->begin, wanted.range.end, reach_of(wanted));
      if (!next) {
        return;
      }
      if (!may_start()) {
        plan_.more = true;
        return;
      }
      start(*next, true);
      at = next->end;
    }
  }

  // Is there a connection for who waits? If there is none, what nobody waits for gives one up: the one that has the
  // most left.
  bool may_start() {
    if (free_ > 0) {
      return true;
    }
    const auto left = [](const Claim& claim) {
      return claim.transfer != nullptr && !claim.transfer->demanded ? claim.range.size() : 0;
    };
    const auto most = std::max_element(claims_.begin(), claims_.end(),
                                       [&](const Claim& a, const Claim& b) { return left(a) < left(b); });
    if (most == claims_.end() || left(*most) == 0 ||
        Seconds(static_cast<double>(left(*most)) / rate_of(*most->transfer)) < soon()) {
      return false;
    }
    trim(most, most->range.begin);
    ++free_;
    return true;
  }

  // Ends what nobody wants any more, unless it is over soon: the next request may need its connection.
  void end_surplus(const std::vector<Wanted>& wanted) {
    if (now_.limits.policy == Policy::whole) {
      return;
    }
    for (std::size_t i = claims_.size(); i-- > 0;) {
      const ByteRange left = claims_[i].range;
      const bool used = std::any_of(wanted.begin(), wanted.end(),
                                    [&](const Wanted& each) {
                                      return left.intersects({each.range.begin, reach_of(each)});
                                    }) ||
                        (now_.limits.policy == Policy::window &&
                         std::any_of(now_.readers.begin(), now_.readers.end(), [&](std::uint64_t at) {
                           return left.intersects({at, at + now_.limits.window});
                         }));
      if (!used && time_left(claims_[i]) > soon()) {
        trim(claims_.begin() + static_cast<std::ptrdiff_t>(i), left.begin);
      }
    }
  }

  // What nobody waits for yet: ahead of who waits and who reads, one request each in turn; then the rest.
  void read_ahead(const std::vector<Wanted>& wanted) {
    const bool whole = now_.limits.policy == Policy::whole;
    if (now_.limits.policy == Policy::demand_only) {
      return;
    }
    std::vector<ByteRange> ahead;
    const auto add = [&](std::uint64_t from) {
      ahead.push_back({from, whole ? now_.length : std::min(now_.length, from + now_.limits.window)});
    };
    for (const Wanted& each : wanted) {
      if (whole || now_.limits.ahead_of_waits) {
        add(each.range.begin);
      }
    }
    std::for_each(now_.readers.begin(), now_.readers.end(), add);
    if (whole) {
      add(0);
    }
    const std::uint64_t worth = std::min(now_.limits.min_subrange, now_.limits.window / 4);
    while (!ahead.empty() && !plan_.more) {
      std::erase_if(ahead, [&](ByteRange& each) {
        const auto next = next_unclaimed(each.begin, each.end, each.end);
        if (next && next->end == each.end && each.end < now_.length && next->size() < worth) {
          return true;  // the edge of a window: more comes free when its reader moves on
        }
        if (next && background_ > 0 && free_ > 0) {
          start(*next, false);
          each.begin = next->end;
        } else if (next) {
          plan_.more = true;
        }
        return !next;
      });
    }
    while (whole && background_ > 0 && free_ > 0 && help_longest()) {
    }
  }

  // Everything is on its way: who is done helps who has the most left, or takes its place.
  bool help_longest() {
    const auto longest = std::max_element(claims_.begin(), claims_.end(),
                                          [&](const Claim& a, const Claim& b) { return time_left(a) < time_left(b); });
    if (longest == claims_.end() || longest->transfer == nullptr || longest->transfer->rate == 0) {
      return false;
    }
    const ByteRange whole = longest->range;
    if (crawls(*longest->transfer, whole.begin, whole.end)) {
      trim(longest, whole.begin);
      start(whole, false);
      return true;
    }
    if (whole.size() < 2 * now_.limits.min_split || time_left(*longest) < std::max(kWorthDividing, 4 * fresh_cost())) {
      return false;
    }
    // Both shall be done at the same time.
    const double head_start = rate_of(*longest->transfer) * fresh_cost().count();
    const std::uint64_t middle = whole.begin + (whole.size() + static_cast<std::uint64_t>(head_start)) / 2;
    trim(longest, middle);
    start({middle, whole.end}, false);
    return true;
  }

  const Situation& now_;
  std::vector<Claim> claims_;  // by range; no two have a byte in common
  unsigned free_ = 0;
  unsigned background_ = 0;
  Plan plan_;
};

}  // namespace

Plan plan(const Situation& situation) {
  return Planner(situation).make();
}

}  // namespace strandline::fill
