#include <strandline/resource/core/parts.h>

#include <algorithm>

namespace strandline {

Result<void> Core::wait_for_writes_locked() noexcept {
  while ((!writes_.empty() || syncs_in_flight_ > 0) && life_.state() != State::cancelled) {
    gate_.wait(mutex_);
  }
  if (life_.state() == State::cancelled) {
    leave_exclusive_locked();
    return refused(Errc::cancelled);
  }
  return {};
}

// Until a commit or the like that runs has ended, or the resource has.
void Core::wait_for_exclusive_locked() noexcept {
  while (exclusive_ && life_.state() != State::cancelled) {
    gate_.wait(mutex_);
  }
}

// From here to leave_exclusive_locked() no write starts and none is in flight, so what is covered
// stays as it is even while the lock is let go for a driver call. Only cancel() can come between.
Result<void> Core::enter_exclusive_locked(WriterId writer) noexcept {
  wait_for_exclusive_locked();
  if (const auto refusal = life_.may_write(writer)) {
    return refused(*refusal);
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
  wait_for_exclusive_locked();
  if (const auto refusal = life_.take_writer()) {
    return refused(*refusal);
  }
  return life_.writer();
}

Result<void> Core::set_length(WriterId writer, std::uint64_t length, Effects* later) noexcept {
  if (length > kMaxOffset) {
    return fail(Errc::invalid_range, "length");
  }
  Effects own(*this);
  Effects& effects = later != nullptr ? *later : own;
  MutexLock lock(mutex_);
  if (auto entered = enter_exclusive_locked(writer); !entered) {
    return entered;
  }
  Availability& availability = filling_locked().availability;
  const std::uint64_t known = availability.length().value_or(length);
  Result<void> result;
  if (known != length || length < availability.end_offset()) {
    result = fail(Errc::conflict, "the length contradicts what is known");
  } else if (!availability.length()) {
    const auto storage = filling_locked().storage;
    lock.unlock();
    result = storage->set_length(length);
    lock.lock();
    if (life_.state() == State::cancelled) {
      result = refused(Errc::cancelled);
    } else if (result) {
      availability.set_length(length);
      judge_all_locked(effects);
    }
  }
  leave_exclusive_locked();
  return result;
}

Result<void> Core::set_found_length(WriterId writer, std::uint64_t length, Effects* later) noexcept {
  {
    MutexLock lock(mutex_);
    if (auto entered = enter_exclusive_locked(writer); !entered) {
      return entered;
    }
    filling_locked().availability.lower_end(length);
    leave_exclusive_locked();
  }
  return set_length(writer, length, later);
}

struct Core::CommitPlan {
  std::uint64_t length = 0;
  std::optional<Availability::Tail> past;  // the bytes past the length, when there are any
  EventQueue::Batch evictions;
  EventQueue::Batch committed;
};

Result<std::uint64_t> Core::commit_length_locked(std::optional<std::uint64_t> wanted) const {
  const Availability& availability = filling_locked().availability;
  const auto known = availability.length();
  const std::uint64_t length = wanted.value_or(known.value_or(availability.end_offset()));
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
// then without looking again. All events are made here: the lock is let go of before they are appended.
Result<Core::CommitPlan> Core::prepare_commit_locked(std::optional<std::uint64_t> wanted) {
  const auto length = commit_length_locked(wanted);
  if (!length) {
    return fail(length.error().clone());
  }
  Content& content = filling_locked();
  CommitPlan plan;
  plan.length = *length;
  plan.committed = batch_of(Event{Event::Kind::commit, {}, plan.length, nullptr, 0});
  // Also when all that lay past it has been evicted: it must not count for the length any more.
  if (content.availability.end_offset() <= plan.length) {
    return plan;
  }
  plan.evictions = evictions(content.availability, {plan.length, kMaxOffset});
  plan.past = content.availability.prepare_truncate(plan.length);
  if (auto dropped = content.availability.truncate(plan.length, *plan.past); !dropped) {
    return fail(std::move(dropped.error()));
  }
  drop_locked(content);
  return plan;
}

Result<void> Core::commit(WriterId writer, std::optional<std::uint64_t> wanted, Effects* later) noexcept {
  Result<void> committed = without_throwing([&]() -> Result<void> {
    Effects own(*this);
    Effects& effects = later != nullptr ? *later : own;
    MutexLock lock(mutex_);
    wait_for_exclusive_locked();
    if (life_.state() == State::committed && writer == life_.writer()) {
      const auto length = readable_->availability.length();
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
      return prepare_commit_locked(wanted);
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
    if (!sealed && sealed.error().code == Errc::no_memory && plan->past) {
      availability.restore(std::move(*plan->past));
      if (!next_) {
        update_hints_locked();
        waits_.on_dropped(availability);  // their keys are those of the set that has just been undone
        judge_all_locked(effects);
      }
      return life_.state() == State::cancelled ? refused(Errc::cancelled) : std::move(sealed);
    }
    effects.append(std::move(plan->evictions));
    if (!sealed) {
      return life_.state() == State::cancelled ? refused(Errc::cancelled) : std::move(sealed);
    }
    if (const auto refusal = life_.commit(writer)) {
      return refused(*refusal);
    }
    availability.set_length(plan->length);
    if (next_) {
      show_locked(std::move(next_));
    }
    judge_all_locked(effects);
    effects.append(std::move(plan->committed));
    return {};
  });
  reclaim_if_retired();
  return committed;
}

std::unique_ptr<Content> Core::fail_locked(std::shared_ptr<const Error> reason, Effects& effects) noexcept {
  failure_ = std::move(reason);
  fail_event_.front().error = failure_;
  effects.append(std::move(fail_event_));
  judge_all_locked(effects);
  gate_.notify_all();
  return std::move(next_);
}

Result<void> Core::fail_with(WriterId writer, Error error, Effects* later) noexcept {
  std::shared_ptr<const Error> reason = writer_gone_;
  try {
    reason = std::make_shared<const Error>(std::move(error));
  } catch (const std::bad_alloc&) {
    // The resource must fail all the same, if with a poorer reason.
  }
  return end_with_failure(writer, std::move(reason), later);
}

void Core::writer_gone(WriterId writer) noexcept {
  static_cast<void>(end_with_failure(writer, writer_gone_));  // refused when the writer had finished
}

Result<void> Core::end_with_failure(WriterId writer, std::shared_ptr<const Error> reason, Effects* later) noexcept {
  Effects own(*this);
  Effects& effects = later != nullptr ? *later : own;
  std::unique_ptr<Content> dropped;
  {
    MutexLock lock(mutex_);
    // A commit that runs decides first.
    wait_for_exclusive_locked();
    if (const auto refusal = life_.fail(writer)) {
      return refused(*refusal);
    }
    dropped = fail_locked(std::move(reason), effects);
  }
  // Before observers run: one that starts over wants what the storage may hold, such as a lock on its file.
  dropped.reset();
  return {};
}

Result<void> Core::abandon(WriterId writer, Abandon how, Effects* later) noexcept {
  Effects own(*this);
  Effects& effects = later != nullptr ? *later : own;
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
    wait_for_exclusive_locked();
    if (const auto refusal = life_.may_write(writer)) {
      return refused(*refusal);
    }
    storage = filling_locked().storage;
    ++syncs_in_flight_;
  }
  auto synced = storage->sync();
  storage.reset();
  MutexLock lock(mutex_);
  --syncs_in_flight_;
  gate_.notify_all();
  return synced;
}

Result<void> Core::resume_locked(Effects& effects) {
  auto events = batch_of(Event{Event::Kind::reactivate, {}, life_.filling(), nullptr, 0});
  const bool unseal = life_.sealed() && !life_.rewriting();
  if (unseal) {
    const auto storage = readable_->storage;
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
    readable_->availability.set_length(std::nullopt);
  }
  effects.append(std::move(events));
  return {};
}

Result<void> Core::rewrite_locked(Effects& effects) {
  if (next_) {
    // An abandoned rewrite: its storage goes first, for the new one takes its place.
    life_.drop_rewrite();
    std::unique_ptr<Content> given_up = std::move(next_);
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
    events = evictions(readable_->availability, {0, kMaxOffset});
  }
  events.splice(events.end(), batch_of(Event{Event::Kind::reactivate, {}, after.filling(), nullptr, 0}));
  auto fresh = std::make_unique<Content>(nullptr, DriverState(), capacity_, after.filling());
  const auto old = readable_->storage;
  mutex_.unlock();
  auto storage = old->rewrite();
  mutex_.lock();
  if (!storage) {
    return fail(std::move(storage.error()));
  }
  fresh->storage = std::move(*storage);
  if (life_.state() == State::cancelled) {
    mutex_.unlock();
    fresh.reset();
    mutex_.lock();
    return refused(Errc::cancelled);
  }
  life_ = after;
  if (life_.rewriting()) {
    next_ = std::move(fresh);
  } else {
    // Uncommitted bytes are not kept: the new generation is readable as it arrives.
    Content& before = *readable_;
    show_locked(std::move(fresh));
    drop_locked(before);
    waits_.on_dropped(readable_->availability);
  }
  effects.append(std::move(events));
  return {};
}

Result<WriterId> Core::reactivate(Reactivate mode, Effects* later) noexcept {
  auto writer = without_throwing([&]() -> Result<WriterId> {
    EventQueue::Batch spare(1);  // for failing again
    Effects own(*this);
    Effects& effects = later != nullptr ? *later : own;
    MutexLock lock(mutex_);
    wait_for_exclusive_locked();
    if (const auto refusal = life_.may_reactivate()) {
      return refused(*refusal);
    }
    exclusive_ = true;
    if (auto drained = wait_for_writes_locked(); !drained) {
      return fail(std::move(drained.error()));
    }
    auto done = without_throwing([&] {
      mutex_.assert_held();
      return mode == Reactivate::resume ? resume_locked(effects) : rewrite_locked(effects);
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
  reclaim_if_retired();
  return writer;
}

void Core::cancel() noexcept {
  std::shared_ptr<DemandObserver> observer;
  {
    Effects effects(*this);
    MutexLock lock(mutex_);
    life_.cancel();
    update_hints_locked();
    judge_all_locked(effects);
    gate_.notify_all();
    observer = demand_observer_;
  }
  if (observer != nullptr) {
    observer->on_cancelled();
  }
}

}  // namespace strandline
