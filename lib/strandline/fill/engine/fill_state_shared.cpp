// FillState: what other threads than the filler's call.
#include <strandline/fill/engine/fill_state.h>

#include <algorithm>

namespace strandline::fill {

FillState::FillState(std::weak_ptr<Engine> engine, FillRequest request, std::shared_ptr<Server> server,
                     const FillerOptions& options)
    : engine_(std::move(engine)),
      request_(std::move(request)),
      server_(std::move(server)),
      max_rate_(options.max_rate),
      retry_(options.retry) {}

void FillState::notice() noexcept {
  if (const auto engine = engine_.lock()) {
    engine->notice(shared_from_this());
  }
}

// Who reads at the pace at which it comes waits for each piece, and the filler's thread need not wake for that.
void FillState::on_demand(ByteRange missing) noexcept {
  {
    MutexLock lock(mutex_);
    if (comes_next_locked(missing)) {
      return;
    }
    demanded_to_ = std::max(demanded_to_, missing.end);
  }
  notice();
}

// Does a transfer bring the first of it soon, as it stands, and has the rest been looked at before? No wait is lost by
// a yes: a transfer that stands in under_way_ has not been collected, so a look will follow that finds the wait: when
// it ends, or is cut short, or Engine measures, many times a second while any runs.
bool FillState::comes_next_locked(ByteRange missing) const noexcept {
  constexpr double kLeast = 64 << 10;  // whoever has just been given bytes is ahead of at() until they have been noted
  const std::uint64_t looked_at = demanded_to_;
  return std::any_of(under_way_.begin(), under_way_.end(), [&](const auto& transfer) {
    const std::uint64_t at = transfer->at();
    return transfer->answered() && at <= missing.begin &&
           static_cast<double>(missing.begin - at) <= std::max(kLeast, transfer->supposed_rate() * kSoon.count()) &&
           missing.end <= std::max(looked_at, transfer->end_offset()) && !transfer->given_up() && !transfer->over();
  });
}

void FillState::on_moved(std::uint64_t position) noexcept {
  const std::uint64_t step = std::min(request_.limits.min_subrange, request_.limits.window / 4);
  {
    MutexLock lock(mutex_);
    if (position >= looked_from_ && position - looked_from_ < step) {
      return;
    }
    looked_from_ = position;
  }
  notice();
}

void FillState::on_cancelled() noexcept {
  {
    MutexLock lock(mutex_);
    cancelled_ = true;
  }
  notice();
}

void FillState::commit_target() noexcept {
  auto committed = target().commit(*committing_);
  {
    MutexLock lock(mutex_);
    committed_ = std::move(committed);
  }
  notice();
}

std::optional<origin::ObjectInfo> FillState::object() const {
  MutexLock lock(mutex_);
  return object_;
}

Result<void> FillState::same_version_locked(const origin::ObjectInfo& object) const {
  const Validator& ours = object_ ? object_->validator : request_.validator;
  // Weak ones have been compared by the origin, which was told of ours, as its protocol does.
  const bool differs = ours.kind == Validator::Kind::strong
                           ? ours != object.validator
                           : ours.kind == Validator::Kind::weak && object.validator.kind == Validator::Kind::strong;
  if (differs) {
    return fail(Errc::changed, "the origin has another version: " + object.validator.value);
  }
  if (object_ && object_->size && object.size && *object_->size != *object.size) {
    return fail(Errc::changed, "the origin says another length than before");
  }
  return {};
}

// Until one transfer has been answered no other runs: so nobody else is here meanwhile.
Result<void> FillState::answered(const Transfer& transfer, const origin::ObjectInfo& object,
                                 std::uint64_t offset) noexcept {
  try {
    bool first = false;
    {
      MutexLock lock(mutex_);
      if (auto same = same_version_locked(object); !same) {
        return same;
      }
      first = !begun_;
    }
    if (first) {
      if (auto begun = target().begin(object); !begun) {
        return begun;
      }
    }
    // Behind begin(): whoever opens by this answer has its own word first.
    if (auto accepted = request_.accept ? request_.accept(object) : Result<void>(); !accepted) {
      return accepted;
    }
    {
      MutexLock lock(mutex_);
      begun_ = true;
      if (!object_) {
        object_ = object;
      }
      object_->size = object_->size ? object_->size : object.size;
      if (object_->validator.kind == Validator::Kind::none) {
        object_->validator = object.validator;
      }
      sequential_ = sequential_ || offset != transfer.at() || !object.accepts_ranges;
    }
    if (first) {
      notice();  // more may be begun
    }
    return {};
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "fill");
  }
}

// Alone: of several each would bring everything. And what only ever comes on demand is wanted no further than asked.
bool FillState::comes_as_a_whole() const noexcept {
  MutexLock lock(mutex_);
  return sequential_ && under_way_.size() == 1 && request_.limits.policy != Policy::demand_only;
}

bool FillState::ended() const noexcept {
  MutexLock lock(mutex_);
  return outcome_.has_value();
}

Result<void> FillState::wait_ended(std::stop_token stop) noexcept {
  const std::stop_callback wake(stop, [this]() noexcept {
    MutexLock lock(mutex_);
    over_.notify_all();
  });
  MutexLock lock(mutex_);
  while (!outcome_) {
    if (stop.stop_requested()) {
      return fail(Errc::interrupted, "fill");
    }
    over_.wait(mutex_);
  }
  return *outcome_ ? Result<void>() : fail(outcome_->error().clone());
}

FillProgress FillState::progress() const {
  MutexLock lock(mutex_);
  return progress_;
}

void FillState::ask_to_pause(bool paused) noexcept {
  {
    MutexLock lock(mutex_);
    paused_ = paused;
  }
  notice();
}

void FillState::request_stop() noexcept {
  MutexLock lock(mutex_);
  stopped_ = true;
}

void FillState::obey() noexcept {
  bool paused = false;
  bool stopped = false;
  bool cancelled = false;
  std::optional<Result<void>> committed;
  {
    MutexLock lock(mutex_);
    paused = paused_;
    stopped = stopped_;
    cancelled = cancelled_;
    committed.swap(committed_);
  }
  if (committed) {
    committing_.reset();
    // Done is done, whoever has stopped it meanwhile.
    decided_ = *committed || !decided_ ? std::move(committed) : std::move(decided_);
    end_if_over();
  } else if (stopped) {
    finish(fail(Errc::interrupted, "stopped"));
  } else if (cancelled) {
    finish(fail(Errc::cancelled, "the resource was cancelled"));
  } else if (paused) {
    for (const auto& transfer : transfers_) {
      transfer->give_up();
    }
  }
}

}  // namespace strandline::fill
