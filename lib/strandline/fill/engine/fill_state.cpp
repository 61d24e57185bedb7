#include <strandline/fill/engine/fill_state.h>

#include <algorithm>

namespace strandline::fill {
namespace {

constexpr std::size_t kDemandAtOnce = 256;
constexpr std::size_t kReadersAtOnce = 16;
constexpr unsigned kOtherVersions = 4;  // answers of another version, one after the other, that may be of an old copy

}  // namespace

std::vector<Wanted> FillState::demand(Clock::time_point now) {
  std::vector<Wanted> wanted;
  const auto demand = target().demand(kDemandAtOnce);
  for (const Demand& each : demand ? *demand : std::vector<Demand>()) {
    Wanted one{each.missing};
    one.background = each.urgency == Urgency::background;
    if (each.deadline && *each.deadline != Clock::time_point::max()) {
      one.deadline = *each.deadline - now;
    }
    wanted.push_back(one);
  }
  wanted_ = std::any_of(wanted.begin(), wanted.end(), [](const Wanted& each) { return !each.background; });
  return wanted;
}

bool FillState::look(Clock::time_point now) {
  if (decided_ || (not_before_ && now < *not_before_)) {
    return false;
  }
  not_before_.reset();
  bool paused = false;
  bool sequential = false;
  std::optional<origin::ObjectInfo> object;
  {
    MutexLock lock(mutex_);
    paused = paused_;
    sequential = sequential_;
    object = object_;
  }
  if (object && object->size && !target().next_gap(0, *object->size)) {
    finish(target().commit(*object->size));
    return false;
  }
  if (paused) {
    return false;
  }
  const auto wanted = demand(now);
  if (!object || sequential) {
    return look_alone(wanted, sequential, now);
  }
  std::vector<Running> running;
  for (const auto& each : transfers_) {
    if (!each->given_up()) {
      const std::uint64_t end = std::min(each->end_offset(), object->size.value_or(kMaxOffset));
      running.push_back({each->id, each->at(), end, each->rate, each->answered(), each->demanded});
    }
  }
  const auto readers = target().readers(kReadersAtOnce);
  Situation situation;
  situation.length = object->size.value_or(kMaxOffset);
  situation.next_gap = [this](std::uint64_t from, std::uint64_t limit) { return target().next_gap(from, limit); };
  situation.running = running;
  situation.wanted = wanted;
  situation.readers = readers;
  situation.network = server_->network;
  situation.limits = request_.limits;
  situation.free_connections = server_->free();
  situation.background_connections = server_->free_background();
  const Plan made = plan(situation);
  apply(made, now);
  return made.more;
}

// Until the object is known, or when it only comes as a whole: one transfer at a time.
bool FillState::look_alone(const std::vector<Wanted>& wanted, bool whole, Clock::time_point now) {
  if (!transfers_.empty()) {
    return false;
  }
  const Limits& limits = request_.limits;
  if (wanted.empty() && limits.policy != Policy::whole) {
    return false;
  }
  if ((wanted_ ? server_->free() : server_->free_background()) == 0) {
    return true;
  }
  if (whole) {
    begin({0, kMaxOffset}, wanted_, now);
    return false;
  }
  const std::uint64_t from = wanted.empty() ? 0 : wanted.front().range.begin;
  const auto gap = target().next_gap(from, kMaxOffset).value_or(ByteRange{from, kMaxOffset});
  const std::uint64_t size = limits.policy == Policy::demand_only ? wanted.front().range.size() : limits.min_subrange;
  begin({gap.begin, std::min(gap.end, gap.begin + std::max<std::uint64_t>(size, 1))}, wanted_, now);
  return false;
}

void FillState::apply(const Plan& plan, Clock::time_point now) {
  for (const Plan::Trim& trim : plan.trims) {
    const auto it = std::find_if(transfers_.begin(), transfers_.end(),
                                 [&](const auto& transfer) { return transfer->id == trim.id; });
    if (it != transfers_.end()) {
      (*it)->end_at(trim.end);
    }
  }
  for (const Plan::Start& start : plan.starts) {
    begin(start.range, start.demanded, now);
  }
}

void FillState::begin(ByteRange range, bool demanded, Clock::time_point now) {
  origin::ReadRequest request;
  request.key = request_.key;
  request.range = range;
  request.max_rate = max_rate_;
  request.new_connection = silences_ > 0;
  const auto known = object();
  request.if_match = known ? known->validator : request_.validator;
  auto transfer = std::make_shared<Transfer>(shared_from_this(), next_id_++, range, demanded, now);
  transfers_.push_back(transfer);
  ++server_->running;
  {
    MutexLock lock(mutex_);
    ++progress_.requests;
  }
  const auto token = transfer->token();
  request_.origin->read(std::move(request), std::move(transfer), token);
}

void FillState::collect(Clock::time_point now) {
  for (std::size_t i = 0; i < transfers_.size();) {
    if (!transfers_[i]->over()) {
      ++i;
      continue;
    }
    const auto transfer = std::move(transfers_[i]);
    transfers_.erase(transfers_.begin() + static_cast<std::ptrdiff_t>(i));
    --server_->running;
    measure(*transfer, now, now - transfer->heard);
    transfer_ended(*transfer, now);
  }
  end_if_over();
}

void FillState::transfer_ended(Transfer& transfer, Clock::time_point now) {
  if (transfer.brought() > 0) {
    retry_.progress(now.time_since_epoch());
    silences_ = transfer.given_up() ? silences_ : 0;
    changes_ = 0;
  }
  if (decided_) {
    return;
  }
  if (transfer.outcome()) {
    const auto known = object();
    if (transfer.at() < transfer.end_offset() && (!known || !known->size)) {
      learn_size(transfer.at());
    } else if (transfer.at() < std::min(transfer.end_offset(), known && known->size ? *known->size : kMaxOffset)) {
      failed({Error::make(Errc::io, "the origin sent less than it had"), true}, transfer, now);
    }
  } else if (!transfer.given_up() || transfer.refused()) {
    failed(std::move(transfer.outcome().error()), transfer, now);
  }
}

void FillState::failed(origin::Failure failure, const Transfer& transfer, Clock::time_point now) {
  if (failure.error.code == Errc::invalid_range && failure.size && !transfer.refused()) {
    const auto known = object();
    if (!known || !known->size) {
      return learn_size(*failure.size);
    }
    failure.error.code = *known->size == *failure.size ? Errc::corrupt : Errc::changed;
  }
  // Of two copies behind one name, one may be behind: another answer may be of the version that we have.
  const bool other_version = failure.error.code == Errc::changed && object() && changes_++ < kOtherVersions;
  if ((failure.may_pass || other_version) && !transfer.refused()) {
    const double chance = std::uniform_real_distribution<double>()(random_);
    const auto asked = failure.retry_after ? std::optional<Seconds>(*failure.retry_after) : std::nullopt;
    if (asked) {
      server_->governor.refused();
    }
    if (const auto wait = retry_.failed(now.time_since_epoch(), chance, asked)) {
      not_before_ = now + std::chrono::duration_cast<Clock::duration>(*wait);
      MutexLock lock(mutex_);
      ++progress_.retries;
      return;
    }
  }
  finish(fail(std::move(failure.error)));
}

void FillState::learn_size(std::uint64_t size) {
  {
    MutexLock lock(mutex_);
    if (!object_) {
      object_.emplace();
    }
    object_->size = size;
  }
  if (auto told = target().set_length(size); !told) {
    finish(std::move(told));
  }
}

// Longer each time: what is slow by nature must come through at last.
Clock::duration FillState::patience(const Transfer& transfer) const noexcept {
  const Seconds round_trip = server_->network.round_trip;
  Seconds patience = transfer.answered()
                         ? std::clamp(std::max(8 * transfer.longest_gap, 4 * round_trip), Seconds(0.5), Seconds(2.5))
                         : std::clamp(20 * round_trip, Seconds(3), Seconds(15));
  if (transfer.answered() && transfer.rate == 0) {
    patience = Seconds(2.5);
  }
  patience *= static_cast<double>(1U << std::min(silences_, 5U));
  return std::chrono::duration_cast<Clock::duration>(std::min(patience, Seconds(30)));
}

void FillState::measure(Transfer& transfer, Clock::time_point now, Seconds elapsed) {
  Network& network = server_->network;
  const std::uint64_t brought = transfer.brought();
  const std::uint64_t more = brought - std::exchange(transfer.noted, brought);
  server_->bytes += more;
  if (more > 0) {
    if (transfer.noted == more) {
      // Its first bytes: what it took to get them, the making of a connection perhaps included.
      const Seconds took = transfer.first_byte() - transfer.began;
      network.round_trip = server_->known ? std::min(took, 0.9 * network.round_trip + 0.1 * took) : took;
      network.setup = network.round_trip;
      server_->known = true;
      elapsed = now - transfer.first_byte();
    } else {
      transfer.longest_gap = std::max<Seconds>(transfer.longest_gap, now - transfer.heard);
    }
    const double rate = static_cast<double>(more) / std::max(elapsed.count(), 1e-4);
    transfer.rate = transfer.rate == 0 ? rate : 0.7 * transfer.rate + 0.3 * rate;
    network.rate = 0.9 * network.rate + 0.1 * transfer.rate;
    transfer.heard = now;
  }
  MutexLock lock(mutex_);
  progress_.fetched += more;
}

void FillState::measure(Clock::time_point now, Seconds elapsed) {
  double rate = 0;
  std::vector<ByteRange> arriving;
  for (const auto& transfer : transfers_) {
    measure(*transfer, now, elapsed);
    rate += transfer->rate;
    transfer->heard = transfer->held_up() ? now : transfer->heard;
    if (!transfer->given_up()) {
      arriving.push_back({transfer->at(), transfer->end_offset()});
      if (now - transfer->heard > patience(*transfer)) {
        ++silences_;
        transfer->give_up();
        MutexLock lock(mutex_);
        ++progress_.retries;
      }
    }
  }
  MutexLock lock(mutex_);
  progress_.rate = rate;
  progress_.arriving.swap(arriving);
}

void FillState::finish(Result<void> outcome) noexcept {
  if (!decided_) {
    decided_ = std::move(outcome);
    for (const auto& transfer : transfers_) {
      transfer->give_up();
    }
  }
  end_if_over();
}

void FillState::end_if_over() noexcept {
  if (!decided_ || !transfers_.empty() || ended()) {
    return;
  }
  static_cast<void>(target().observe(nullptr));
  if (!*decided_) {
    if (decided_->error().code == Errc::interrupted) {
      target().leave();
    } else {
      target().fail(decided_->error().clone());
    }
  }
  // Whoever hears of the end may open the storage anew. The origin's own thread may be the last to let go of this, and
  // must not be the one to destroy the origin.
  request_.target.reset();
  const auto origin = std::move(request_.origin);
  MutexLock lock(mutex_);
  outcome_ = std::move(*decided_);
  progress_.arriving.clear();
  progress_.rate = 0;
  over_.notify_all();
}

}  // namespace strandline::fill
