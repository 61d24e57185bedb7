#include <strandline/resource/core/parts.h>

#include <algorithm>

namespace strandline {

Result<void> Core::wait_for_writes_locked() noexcept {
  while (writes_in_flight_ > 0 && life_.state() != State::cancelled) {
    gate_.wait(mutex_);
  }
  if (life_.state() == State::cancelled) {
    leave_exclusive_locked();
    return refused(Errc::cancelled);
  }
  return {};
}

// From here to leave_exclusive_locked() no write starts and none is in flight, so what is covered
// stays as it is even while the lock is let go for a driver call. Only cancel() can come between.
Result<void> Core::enter_exclusive_locked(WriterId writer) noexcept {
  for (;;) {
    if (const auto refusal = life_.may_write(writer)) {
      return refused(*refusal);
    }
    if (!exclusive_) {
      break;
    }
    gate_.wait(mutex_);
  }
  exclusive_ = true;
  return wait_for_writes_locked();
}

void Core::leave_exclusive_locked() noexcept {
  exclusive_ = false;
  gate_.notify_all();
}

Result<WriterId> Core::take_writer() noexcept {
  MutexLock lock(mutex_);
  while (exclusive_) {
    gate_.wait(mutex_);
  }
  if (const auto refusal = life_.take_writer()) {
    return refused(*refusal);
  }
  return life_.writer();
}

Result<void> Core::set_length(WriterId writer, std::uint64_t length) noexcept {
  if (length > kMaxOffset) {
    return fail(Errc::invalid_range, "length");
  }
  Effects effects(*this);
  MutexLock lock(mutex_);
  if (auto entered = enter_exclusive_locked(writer); !entered) {
    return entered;
  }
  Availability& availability = filling_locked().availability;
  const std::uint64_t known = availability.length().value_or(length);
  Result<void> result;
  if (known != length || length < availability.set().end_offset()) {
    result = fail(Errc::conflict, "the length contradicts what is known");
  } else {
    availability.set_length(length);
    judge_all_locked(effects);
  }
  leave_exclusive_locked();
  return result;
}

struct Core::CommitPlan {
  std::uint64_t length = 0;
  std::optional<RangeSet> before;  // the set with the bytes past the length, when there are any
  EventQueue::Batch evictions;
  EventQueue::Batch committed;
};

Result<std::uint64_t> Core::commit_length_locked(std::optional<std::uint64_t> wanted) const {
  const Availability& availability = filling_locked().availability;
  const auto known = availability.length();
  const std::uint64_t written = std::max(availability.set().end_offset(), availability.window_begin());
  const std::uint64_t length = wanted.value_or(known.value_or(written));
  if (length > kMaxOffset) {
    return fail(Errc::invalid_range, "commit");
  }
  if (known && *known != length) {
    return fail(Errc::conflict, "the length is known to be " + std::to_string(*known));
  }
  if (const auto gap = availability.commit_gap(length)) {
    return fail(Errc::incomplete, "the first gap is " + to_string(*gap));
  }
  return length;
}

// Takes away the bytes past the length before the driver does, so that no reader can be on them by
// then without looking again.
Result<Core::CommitPlan> Core::prepare_commit_locked(std::optional<std::uint64_t> wanted, const Effects& effects) {
  const auto length = commit_length_locked(wanted);
  if (!length) {
    return fail(length.error().clone());
  }
  Availability& availability = filling_locked().availability;
  CommitPlan plan;
  plan.length = *length;
  plan.committed = effects.batch(Event{Event::Kind::commit, {}, plan.length, nullptr, 0});
  const ByteRange past{plan.length, kMaxOffset};
  if (!availability.set().intersects(past)) {
    return plan;
  }
  auto evictions = effects.evictions(availability.set(), past);
  auto before = availability.set().clone();
  if (!evictions || !before) {
    return fail(Errc::no_memory, "commit");
  }
  if (auto dropped = availability.drop(past); !dropped) {
    return fail(std::move(dropped.error()));
  }
  plan.evictions = std::move(*evictions);
  plan.before = std::move(*before);
  ++drops_;
  if (!next_) {
    waits_.on_dropped(availability);
  }
  return plan;
}

Result<void> Core::commit(WriterId writer, std::optional<std::uint64_t> wanted) noexcept {
  return without_throwing([&]() -> Result<void> {
    Content replaced;  // an old generation ends outside the lock
    Effects effects(*this);
    MutexLock lock(mutex_);
    while (exclusive_) {
      gate_.wait(mutex_);
    }
    if (life_.state() == State::committed && writer == life_.writer()) {
      const auto length = readable_.availability.length();
      if (wanted && wanted != length) {
        return fail(Errc::committed, "with another length");
      }
      return {};
    }
    if (auto entered = enter_exclusive_locked(writer); !entered) {
      return entered;
    }
    auto plan = without_throwing([&] {
      mutex_.assert_held();
      return prepare_commit_locked(wanted, effects);
    });
    if (!plan) {
      leave_exclusive_locked();
      return fail(std::move(plan.error()));
    }
    const auto storage = filling_locked().storage;
    lock.unlock();
    auto sealed = storage->commit(plan->length);
    lock.lock();
    leave_exclusive_locked();
    Availability& availability = filling_locked().availability;
    if (!sealed && sealed.error().code == Errc::no_memory && plan->before) {
      availability.restore(std::move(*plan->before));
      if (!next_) {
        waits_.on_dropped(availability);  // their keys are those of the set that has just been undone
        judge_all_locked(effects);
      }
      return sealed;
    }
    effects.append(std::move(plan->evictions));
    if (!sealed) {
      return life_.state() == State::cancelled ? refused(Errc::cancelled) : std::move(sealed);
    }
    if (const auto refusal = life_.commit(writer)) {
      return refused(*refusal);
    }
    if (next_) {
      replaced = std::exchange(readable_, std::move(*next_));
      next_.reset();
    }
    readable_.availability.set_length(plan->length);
    judge_all_locked(effects);
    effects.append(std::move(plan->committed));
    return {};
  });
}

void Core::fail_locked(std::shared_ptr<const Error> reason, Content& dropped, Effects& effects) noexcept {
  failure_ = std::move(reason);
  if (next_) {
    dropped = std::move(*next_);
    next_.reset();
  }
  fail_event_.front().error = failure_;
  effects.append(std::move(fail_event_));
  judge_all_locked(effects);
  gate_.notify_all();
}

Result<void> Core::fail_with(WriterId writer, Error error) noexcept {
  std::shared_ptr<const Error> reason = writer_gone_;
  try {
    reason = std::make_shared<const Error>(std::move(error));
  } catch (const std::bad_alloc&) {
    // The resource must fail all the same, if with a poorer reason.
  }
  Content dropped;
  Effects effects(*this);
  MutexLock lock(mutex_);
  // A commit that runs decides first.
  while (exclusive_) {
    gate_.wait(mutex_);
  }
  if (const auto refusal = life_.fail(writer)) {
    return refused(*refusal);
  }
  fail_locked(std::move(reason), dropped, effects);
  return {};
}

void Core::writer_gone(WriterId writer) noexcept {
  Content dropped;
  Effects effects(*this);
  MutexLock lock(mutex_);
  while (exclusive_) {
    gate_.wait(mutex_);
  }
  if (!life_.fail(writer)) {
    fail_locked(writer_gone_, dropped, effects);
  }
}

Result<void> Core::abandon(WriterId writer, Abandon how) noexcept {
  Effects effects(*this);
  MutexLock lock(mutex_);
  if (auto entered = enter_exclusive_locked(writer); !entered) {
    return entered;
  }
  const auto refusal = life_.abandon(writer, how);
  leave_exclusive_locked();
  if (refusal) {
    return refused(*refusal);
  }
  judge_all_locked(effects);
  return {};
}

Result<void> Core::sync(WriterId writer) noexcept {
  std::shared_ptr<Storage> storage;
  {
    MutexLock lock(mutex_);
    if (const auto refusal = life_.may_write(writer)) {
      return refused(*refusal);
    }
    storage = filling_locked().storage;
  }
  return storage->sync();
}

Result<void> Core::resume_locked(Effects& effects) {
  auto events = effects.batch(Event{Event::Kind::reactivate, {}, life_.filling(), nullptr, 0});
  const bool unseal = life_.sealed() && !life_.rewriting();
  if (unseal) {
    const auto storage = readable_.storage;
    mutex_.unlock();
    auto reopened = storage->reactivate();
    mutex_.lock();
    if (!reopened) {
      return reopened;
    }
  }
  if (const auto refusal = life_.reactivate(Reactivate::resume)) {
    return refused(*refusal);
  }
  if (unseal) {
    readable_.availability.set_length(std::nullopt);
  }
  effects.append(std::move(events));
  return {};
}

Result<void> Core::rewrite_locked(Content& dropped, Effects& effects) {
  if (next_) {
    // An abandoned rewrite: its storage goes first, for the new one takes its place.
    life_.drop_rewrite();
    std::optional<Content> given_up = std::exchange(next_, std::nullopt);
    mutex_.unlock();
    given_up.reset();
    mutex_.lock();
  }
  Lifecycle after = life_;
  if (const auto refusal = after.reactivate(Reactivate::rewrite)) {
    return refused(*refusal);
  }
  EventQueue::Batch events;
  if (!life_.sealed()) {
    auto evictions = effects.evictions(readable_.availability.set(), {0, kMaxOffset});
    if (!evictions) {
      return fail(std::move(evictions.error()));
    }
    events = std::move(*evictions);
  }
  events.splice(events.end(), effects.batch(Event{Event::Kind::reactivate, {}, after.filling(), nullptr, 0}));
  const auto old = readable_.storage;
  mutex_.unlock();
  auto storage = old->rewrite();
  mutex_.lock();
  if (!storage) {
    return fail(std::move(storage.error()));
  }
  Content fresh{std::move(*storage), Availability(RangeSet(), std::nullopt, capacity_)};
  if (life_.state() == State::cancelled) {
    dropped = std::move(fresh);
    return refused(Errc::cancelled);
  }
  life_ = after;
  if (life_.rewriting()) {
    next_ = std::move(fresh);
  } else {
    // Uncommitted bytes are not kept: the new generation is readable as it arrives.
    dropped = std::exchange(readable_, std::move(fresh));
    ++drops_;
    waits_.on_dropped(readable_.availability);
  }
  effects.append(std::move(events));
  return {};
}

Result<WriterId> Core::reactivate(Reactivate mode) noexcept {
  return without_throwing([&]() -> Result<WriterId> {
    EventQueue::Batch spare(1);  // for failing again
    Content dropped;
    Effects effects(*this);
    MutexLock lock(mutex_);
    while (exclusive_) {
      gate_.wait(mutex_);
    }
    if (const auto refusal = life_.may_reactivate()) {
      return refused(*refusal);
    }
    exclusive_ = true;
    if (auto drained = wait_for_writes_locked(); !drained) {
      return fail(std::move(drained.error()));
    }
    auto done = without_throwing([&] {
      mutex_.assert_held();
      return mode == Reactivate::resume ? resume_locked(effects) : rewrite_locked(dropped, effects);
    });
    leave_exclusive_locked();
    if (!done) {
      return fail(std::move(done.error()));
    }
    failure_.reset();
    if (fail_event_.empty()) {
      fail_event_ = std::move(spare);
    }
    fail_event_.front() = Event{Event::Kind::fail, {}, 0, nullptr, 0};
    return life_.writer();
  });
}

void Core::cancel() noexcept {
  Effects effects(*this);
  MutexLock lock(mutex_);
  life_.cancel();
  judge_all_locked(effects);
  gate_.notify_all();
}

void Core::close() noexcept {
  cancel();
  Content readable;
  std::optional<Content> next;
  MutexLock lock(mutex_);
  readable.storage = std::exchange(readable_.storage, nullptr);
  next = std::exchange(next_, std::nullopt);
  lock.unlock();
}

}  // namespace strandline
