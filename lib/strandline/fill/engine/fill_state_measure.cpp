// FillState: how fast bytes come, and when no more come.
#include <strandline/fill/engine/fill_state.h>

#include <algorithm>
#include <utility>

namespace strandline::fill {
namespace {

// What came in one burst says nothing of the network: a rate is measured over so long, or so much.
constexpr Seconds kRatedOver{0.01};
constexpr std::uint64_t kRatedBytes = 256 << 10;

}  // namespace

// Longer each time: what is slow by nature must come through at last.
Clock::duration FillState::patience(const Transfer& transfer) const noexcept {
  if (request_.refused && !transfer.answered() && !object()) {
    return std::chrono::hours(1);  // it is not asked again: how long it may take the origin's own limits say
  }
  const Seconds round_trip = server_->network.round_trip;
  Seconds patience = transfer.answered()
                         ? std::clamp(std::max(8 * transfer.longest_gap, 4 * round_trip), Seconds(0.5), Seconds(2.5))
                         : std::clamp(20 * round_trip, Seconds(3), Seconds(15));
  if (transfer.answered() && transfer.rate() == 0) {
    patience = Seconds(2.5);
  }
  patience *= static_cast<double>(1U << std::min(silences_, 5U));
  return std::chrono::duration_cast<Clock::duration>(std::min(patience, Seconds(30)));
}

void FillState::measure(Transfer& transfer, Clock::time_point now) {
  Network& network = server_->network;
  const std::uint64_t brought = transfer.brought();
  const std::uint64_t more = brought - std::exchange(transfer.noted, brought);
  server_->bytes += more;
  server_->tally->fetched.fetch_add(more, std::memory_order_relaxed);
  if (transfer.fresh() > transfer.noted_fresh) {
    transfer.noted_fresh = transfer.fresh();
    retry_.progress(now.time_since_epoch());
  }
  if (more > 0) {
    if (transfer.noted == more) {
      // Its first bytes: what it took to get them, the making of a connection perhaps included.
      const Seconds took = transfer.first_byte() - transfer.began;
      server_->tally->first_byte.add(transfer.first_byte() - transfer.began);
      network.round_trip = server_->known ? std::min(took, 0.9 * network.round_trip + 0.1 * took) : took;
      network.setup = network.round_trip;
      server_->known = true;
      transfer.rated = transfer.first_byte();
    } else {
      transfer.longest_gap = std::max<Seconds>(transfer.longest_gap, now - transfer.heard);
    }
    transfer.heard = now;
    transfer.unrated += more;
    const Seconds elapsed = now - transfer.rated;
    if (elapsed >= kRatedOver || transfer.unrated >= kRatedBytes) {
      const double rate = static_cast<double>(transfer.unrated) / std::max(elapsed.count(), 1e-4);
      transfer.set_rate(transfer.rate() == 0 ? rate : 0.7 * transfer.rate() + 0.3 * rate);
      network.rate = 0.9 * network.rate + 0.1 * transfer.rate();
      transfer.rated = now;
      transfer.unrated = 0;
    }
  }
  MutexLock lock(mutex_);
  progress_.fetched += more;
}

void FillState::measure(Clock::time_point now) {
  double rate = 0;
  bool silent = false;
  std::vector<ByteRange> arriving;
  for (const auto& transfer : transfers_) {
    measure(*transfer, now);
    rate += transfer->rate();
    transfer->heard = transfer->held_up() ? now : transfer->heard;
    if (!transfer->given_up()) {
      arriving.push_back({transfer->at(), transfer->end_offset()});
      if (now - transfer->heard > patience(*transfer)) {
        transfer->silent = true;
        silent = true;
        transfer->give_up();
      }
    }
  }
  silences_ += silent ? 1 : 0;  // several at once are one
  MutexLock lock(mutex_);
  progress_.rate = rate;
  progress_.arriving.swap(arriving);
}

void FillState::rest() noexcept {
  MutexLock lock(mutex_);
  progress_.rate = 0;
  progress_.arriving.clear();
  looked_from_ = kMaxOffset;
  demanded_to_ = 0;
}

}  // namespace strandline::fill
