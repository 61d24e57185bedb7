#include <strandline/fill/engine/fill_state.h>

#include <algorithm>

namespace strandline::fill {
namespace {

constexpr std::size_t kDemandAtOnce = 1024;
constexpr std::size_t kReadersAtOnce = 16;
constexpr auto kForMemory = std::chrono::milliseconds(100);
constexpr auto kSettled = std::chrono::milliseconds(500);
constexpr Seconds kForRoom{0.05};                       // until a reader may have gone on
constexpr auto kYieldsAfter = std::chrono::seconds(1);  // what comes for nobody: who reads on may come again
constexpr unsigned kOtherVersions = 4;  // answers of another version, one after the other, that may be of an old copy

}  // namespace

std::vector<Wanted> FillState::demand(Clock::time_point now) {
  std::vector<Wanted> wanted;
  const auto demand = target().demand(kDemandAtOnce);
  if (!demand) {
    not_before_ = now + kForMemory;  // nobody knows who waits; and somebody may
  }
  for (const Demand& each : demand ? *demand : std::vector<Demand>()) {
    Wanted one{each.missing};
    one.background = each.urgency == Urgency::background;
    if (each.deadline && *each.deadline != Clock::time_point::max()) {
      one.deadline = *each.deadline - now;
    }
    wanted.push_back(one);
  }
  wanted_ = std::any_of(wanted.begin(), wanted.end(), [](const Wanted& each) { return !each.background; });
  server_->read = server_->read || wanted_;
  return wanted;
}

void FillState::commit(std::uint64_t length) noexcept {
  const auto engine = engine_.lock();
  try {
    committing_ = length;
    if (engine != nullptr) {
      engine->commit(shared_from_this());
    }
  } catch (const std::bad_alloc&) {
    committing_.reset();
    finish(target().commit(length));
  }
}

bool FillState::look(Clock::time_point now) {
  if (decided_ || committing_) {
    return false;
  }
  bool paused = false;
  bool sequential = false;
  bool begun = false;
  std::optional<origin::ObjectInfo> object;
  {
    MutexLock lock(mutex_);
    paused = paused_;
    sequential = sequential_;
    begun = begun_;
    object = object_;
  }
  const bool all_there = object && object->size && !target().next_gap(0, *object->size);
  const bool holds_a_version = request_.validator.kind != Validator::Kind::none;
  if (all_there && (begun || *object->size == 0 || !holds_a_version)) {
    commit(*object->size);
    return false;
  }
  held_ = paused;
  if (paused || (not_before_ && now < *not_before_)) {
    return false;
  }
  not_before_.reset();
  if (all_there) {
    // Only its length is known so far: what is there may be of another version.
    if (transfers_.empty() && server_->free() > 0) {
      begin({*object->size - 1, *object->size}, false, now);
    }
    return transfers_.empty();
  }
  const auto wanted = demand(now);
  if (!object || sequential) {
    return look_alone(wanted, sequential, now);
  }
  std::vector<Running> running;
  for (const auto& each : transfers_) {
    if (!each->given_up()) {
      const std::uint64_t end = std::min(each->end_offset(), object->size.value_or(kMaxOffset));
      const bool settled = each->rate() > 0 && now - each->first_byte() > kSettled;
      running.push_back({each->id, each->at(), end, each->rate(), each->answered(), each->demanded, settled});
    }
  }
  const auto readers = target().readers(kReadersAtOnce);
  server_->read = server_->read || !readers.empty();
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
  return apply(made, now) || made.more;
}

// Until the object is known, or when it only comes as a whole: one transfer at a time.
bool FillState::look_alone(const std::vector<Wanted>& wanted, bool whole, Clock::time_point now) {
  const Limits& limits = request_.limits;
  if (!transfers_.empty()) {
    if (whole && limits.policy == Policy::window) {
      end_surplus(wanted, now);
    }
    return false;
  }
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

// Nobody waits, and no cursor is there that may read on: what comes as a whole is ended. Whoever comes again has all of
// it sent once more; so it goes on first for as much as had been wanted, a window at least. However often that happens,
// what is sent is a few times what was wanted.
void FillState::end_surplus(const std::vector<Wanted>& wanted, Clock::time_point now) {
  const bool used = !wanted.empty() || not_before_ || !target().readers(1).empty();
  used_at_ = used ? now : used_at_;
  surplus_ = now - used_at_ > kYieldsAfter;
  for (const auto& transfer : transfers_) {
    const std::uint64_t at = transfer->at();
    if (used) {
      transfer->wanted_at = at;
    } else if (at - std::min(at, transfer->wanted_at) > std::max(request_.limits.window, transfer->wanted_at)) {
      transfer->give_up();
    }
  }
}

// True: a connection that was given up for it has not ended yet.
bool FillState::apply(const Plan& plan, Clock::time_point now) {
  for (const Plan::Trim& trim : plan.trims) {
    const auto it = std::find_if(transfers_.begin(), transfers_.end(),
                                 [&](const auto& transfer) { return transfer->id == trim.id; });
    if (it != transfers_.end()) {
      (*it)->end_at(trim.end);
    }
  }
  if (!plan.trims.empty()) {
    notice();  // who began to wait meanwhile was told that they would bring it
  }
  for (const Plan::Start& start : plan.starts) {
    if (server_->free() == 0) {
      return true;
    }
    begin(start.range, start.demanded, now);
  }
  return false;
}

void FillState::begin(ByteRange range, bool demanded, Clock::time_point now) {
  origin::ReadRequest request;
  request.key = request_.key;
  request.range = range;
  request.max_rate = max_rate_;
  request.new_connection = silences_ > 0;
  const auto known = object();
  request.if_match = known ? known->validator : request_.validator;
  auto transfer =
      std::make_shared<Transfer>(shared_from_this(), next_id_++, range, demanded, server_->network.rate, now);
  transfers_.reserve(transfers_.size() + 1);
  {
    MutexLock lock(mutex_);
    under_way_.push_back(transfer);
    ++progress_.requests;
  }
  transfers_.push_back(transfer);
  used_at_ = now;
  ++server_->running;
  server_->tally->transfers.fetch_add(1, std::memory_order_relaxed);
  server_->tally->requests.fetch_add(1, std::memory_order_relaxed);
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
    {
      MutexLock lock(mutex_);
      std::erase(under_way_, transfer);
    }
    --server_->running;
    server_->tally->transfers.fetch_sub(1, std::memory_order_relaxed);
    measure(*transfer, now);
    transfer_ended(*transfer, now);
  }
  end_if_over();
}

void FillState::transfer_ended(Transfer& transfer, Clock::time_point now) {
  if (transfer.fresh() > 0) {
    silences_ = transfer.silent ? silences_ : 0;
    changes_ = 0;
  }
  if (decided_) {
    return;
  }
  if (transfer.outcome()) {
    const auto known = object();
    if (transfer.at() < transfer.last_end() && (!known || !known->size)) {
      learn_size(transfer.at());
    } else if (transfer.at() < std::min(transfer.end_offset(), known && known->size ? *known->size : kMaxOffset)) {
      failed({Error::make(Errc::io, "the origin sent less than it had"), true}, transfer, now);
    }
  } else if (transfer.silent) {
    failed({Error::make(Errc::timed_out, "the origin has fallen silent"), true}, transfer, now);
  } else if (!transfer.given_up() || transfer.refused()) {
    failed(std::move(transfer.outcome().error()), transfer, now);
  }
}

void FillState::failed(origin::Failure failure, const Transfer& transfer, Clock::time_point now) {
  const bool decides = request_.refused && !object();
  // Who decides by the first answer needs one that says of which version it is, and for whom: no length alone.
  if (failure.error.code == Errc::invalid_range && failure.size && !transfer.refused() && !decides) {
    const auto known = object();
    if (!known || !known->size) {
      return learn_size(*failure.size);
    }
    if (*known->size == *failure.size && transfer.asked.begin >= *known->size) {
      return;  // it was asked for before the length was known
    }
    failure.error.code = *known->size == *failure.size ? Errc::corrupt : Errc::changed;
  }
  // Some refuse who has too many connections, and serve the others.
  const bool others_served = std::any_of(transfers_.begin(), transfers_.end(),
                                         [](const auto& each) { return each->answered() && !each->given_up(); });
  if (failure.error.code == Errc::permission_denied && others_served) {
    failure.may_pass = true;
    server_->governor.refused();
  }
  // Of two copies behind one name, one may be behind: another answer may be of the version that we have.
  const bool other_version = failure.error.code == Errc::changed && object() && changes_++ < kOtherVersions;
  const bool full = transfer.refused() && failure.error.code == Errc::no_space;
  const bool may_have_room = full && !failure.error.cause && request_.limits.waits_for_room;  // no word of the system's
  if (may_have_room || ((failure.may_pass || other_version) && !transfer.refused() && !decides)) {
    if (transfer.began < last_failure_ && not_before_) {
      return;  // of the same break as the last one
    }
    last_failure_ = now;
    const double chance = std::uniform_real_distribution<double>()(random_);
    auto asked = failure.retry_after ? std::optional<Seconds>(*failure.retry_after) : std::nullopt;
    if (asked) {
      server_->governor.refused();
    }
    asked = may_have_room ? kForRoom : asked;
    if (const auto wait = retry_.failed(now.time_since_epoch(), chance, asked)) {
      not_before_ = now + std::chrono::duration_cast<Clock::duration>(*wait);
      server_->tally->retries.fetch_add(1, std::memory_order_relaxed);
      MutexLock lock(mutex_);
      ++progress_.retries;
      return;
    }
  }
  if (decides && !transfer.refused()) {  // else it was the target
    request_.refused(failure);
  }
  finish(fail(std::move(failure.error)));
}

void FillState::learn_size(std::uint64_t size) {
  {
    MutexLock lock(mutex_);
    if (!object_) {
      object_.emplace();
      object_->validator = request_.validator;
    }
    object_->size = size;
  }
  if (auto told = target().set_length(size); !told) {
    finish(std::move(told));
  }
}

void FillState::finish(Result<void> outcome) noexcept {
  if (!decided_) {
    decided_ = std::move(outcome);
    not_before_.reset();
    for (const auto& transfer : transfers_) {
      transfer->give_up();
    }
  }
  end_if_over();
}

bool FillState::yield() noexcept {
  bool sequential = false;
  {
    MutexLock lock(mutex_);
    sequential = sequential_;
  }
  if (sequential) {
    // All of it would come once more; but for nobody.
    const bool yields = surplus_ && !transfers_.empty() && !transfers_.front()->given_up();
    if (yields) {
      transfers_.front()->give_up();
    }
    return yields;
  }
  const auto left = [](const auto& transfer) {
    return transfer->demanded || transfer->given_up() ? 0 : transfer->end_offset() - transfer->at();
  };
  const auto most = std::max_element(transfers_.begin(), transfers_.end(),
                                     [&](const auto& a, const auto& b) { return left(a) < left(b); });
  if (most == transfers_.end() || left(*most) == 0) {
    return false;
  }
  (*most)->give_up();
  return true;
}

void FillState::end_if_over() noexcept {
  if (!decided_ || !transfers_.empty() || committing_ || ended()) {
    return;
  }
  static_cast<void>(target().observe(nullptr));
  if (*decided_ || decided_->error().code == Errc::interrupted) {
    target().leave();
  } else {
    target().fail(decided_->error().clone());
  }
  // Whoever hears of the end may open the storage anew.
  request_.target.reset();
  MutexLock lock(mutex_);
  outcome_ = std::move(*decided_);
  progress_.arriving.clear();
  progress_.rate = 0;
  over_.notify_all();
}

}  // namespace strandline::fill
