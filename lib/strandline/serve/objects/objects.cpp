#include <strandline/drivers/file/failure.h>
#include <strandline/serve/objects/objects.h>

#include <iterator>
#include <utility>

namespace strandline::serve {

using http::CacheControl;
using http::CacheStatus;
using http::Reuse;
using origin::Failure;

namespace {

constexpr std::chrono::seconds kFullFor{2};

}  // namespace

Objects::Objects(store::Store store, std::shared_ptr<fill::Filler> filler, Options options)
    : fetcher_(std::move(store), std::move(filler)), options_(options), closer_(std::make_shared<Closer>()) {}

Objects::~Objects() {
  stop();
  MutexLock lock(mutex_);
  while (questions_ > 0) {
    idle_.wait(mutex_);
  }
}

Reuse Objects::reuse(const Object& object, const CacheControl& request, Time at) const {
  if (!options_.offline && !can_go_on(object.fetched)) {
    return Reuse::validated;
  }
  if (!is_told(object.info)) {
    return object.freshness.age(at) < options_.untold_for ? Reuse::fresh : Reuse::validated;
  }
  return http::reuse(object.freshness, request, at);
}

CacheStatus::Forward Objects::why_asked(const Object* object, Time at) const {
  using Forward = CacheStatus::Forward;
  if (object == nullptr || !has_anything(object->fetched.resource())) {
    return Forward::uri_miss;
  }
  if (reuse(*object, {}, at) == Reuse::fresh) {
    return Forward::request;
  }
  // What can only not be completed may be fresh.
  const bool is_fresh = !object->fetched.lease().entry().is_past() && is_told(object->info) &&
                        http::reuse(object->freshness, {}, at) == Reuse::fresh;
  return is_fresh ? Forward::partial : Forward::stale;
}

void Objects::find(Source source, const CacheControl& request, const std::function<ByteRange()>& first,
                   Done done) noexcept {
  std::vector<std::shared_ptr<const Object>> closed;  // outside the lock
  bool known = false;
  bool alone = false;
  bool as_private = false;
  std::shared_ptr<const Object> at_hand;
  const auto begun = file::contained([&]() -> Result<bool> {
    MutexLock lock(mutex_);
    if (source.name.empty() && request.only_if_cached) {
      return fail(Errc::timed_out, "only-if-cached");
    }
    as_private = is_for_one_locked(source.name, closed);
    const bool kept = !request.no_store && !as_private && !(is_full() && slots_.contains(source.name));
    if (source.name.empty() || (!kept && !request.only_if_cached && !has_all_locked(source.name, request))) {
      alone = true;
      ++questions_;
      return false;
    }
    Slot& slot = slot_of_locked(source.name, closed);
    known = slot.object != nullptr;
    const auto now = wall_clock();
    const Reuse how = slot.object != nullptr ? reuse(*slot.object, request, now) : Reuse::validated;
    if (how != Reuse::validated) {
      at_hand = slot.object;
    } else if (request.only_if_cached) {
      return fail(Errc::timed_out, "only-if-cached");  // RFC 9111, section 5.2.1.7: 504
    } else {
      slot.waiting.reserve(slot.waiting.size() + 1);
      const CacheStatus status{.forward = why_asked(slot.object.get(), now), .collapsed = slot.asking};
      slot.waiting.push_back({request, std::move(done), status});
    }
    if (slot.asking || how == Reuse::fresh || how == Reuse::stale) {
      return false;
    }
    slot.asking = true;
    ++questions_;
    return true;
  });
  for (const auto& object : closed) {
    if (object != nullptr && object->is_for_one()) {
      notes_.keep(object->fetched.lease(), "");  // nor shall a later process go by what was said before
    }
  }
  closed.clear();
  if (!begun) {
    done(tl::unexpected(Failure{begun.error().clone(), true}));
    return;
  }
  if (alone) {
    ask_for_one(source, as_private, std::move(done));
  }
  if (at_hand != nullptr) {
    done(Open{std::move(at_hand)});
  }
  if (*begun && known) {
    ask(source);
  } else if (*begun) {
    const auto wanted = file::contained([&]() -> Result<ByteRange> { return first(); });
    wanted ? look(source, *wanted) : settle(source.name, tl::unexpected(Failure{wanted.error().clone(), true}));
  }
}

bool Objects::is_for_one_locked(const std::string& name, std::vector<std::shared_ptr<const Object>>& closed) {
  const auto found = slots_.find(name);
  if (found == slots_.end()) {
    return false;
  }
  Slot& slot = found->second;
  if (slot.object != nullptr && slot.object->is_for_one()) {
    closed.push_back(slot.object);
    slot.object.reset();
    slot.for_one_until = std::chrono::steady_clock::now() + options_.untold_for;
  }
  return slot.for_one_until && std::chrono::steady_clock::now() < *slot.for_one_until;
}

void Objects::has_no_room() noexcept {
  const auto until = std::chrono::steady_clock::now() + kFullFor;
  full_until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
}

bool Objects::is_full() const noexcept {
  const auto until = full_until_.load(std::memory_order_relaxed);
  return until != 0 && std::chrono::steady_clock::now().time_since_epoch().count() < until;
}

bool Objects::has_all_locked(const std::string& name, const CacheControl& request) const {
  const auto slot = slots_.find(name);
  const Object* const object = slot != slots_.end() ? slot->second.object.get() : nullptr;
  return object != nullptr && reuse(*object, request, wall_clock()) != Reuse::validated &&
         is_whole(object->fetched.resource());
}

std::shared_ptr<const Object> Objects::made(Object object) {
  return {new Object(std::move(object)), [closer = closer_](const Object* unused) { closer->close(unused); }};
}

bool Objects::is_taken_back(const Found& found) noexcept {
  return found ? found->object == nullptr
               : found.error().error.code == Errc::not_found || found.error().error.code == Errc::permission_denied;
}

void Objects::settle(const std::string& name, Found found) {
  std::shared_ptr<const Object> before;  // ends outside the lock
  bool forgotten = false;
  std::shared_ptr<const Object> stale;
  std::vector<Waiting> waiting;
  // For those for whom something stands in; without memory nothing does.
  const auto failure = file::contained([&]() -> Result<std::shared_ptr<const Failure>> {
    return found ? nullptr : std::make_shared<const Failure>(found.error().clone());
  });
  {
    MutexLock lock(mutex_);
    Slot& slot = slots_.at(name);
    slot.asking = false;
    waiting = std::exchange(slot.waiting, {});
    if (found && found->object != nullptr) {
      before = std::exchange(slot.object, found->object);
    } else if (found || slot.object == nullptr || !found.error().may_pass) {
      before = std::move(slot.object);
      forgotten = before != nullptr && is_taken_back(found);
      used_.erase(slot.used);
      slots_.erase(name);
    } else if (failure) {
      stale = slot.object;  // whole or not: who asks for what is not here gets the failure
    }
  }
  if (forgotten) {
    notes_.keep(before->fetched.lease(), "");  // nor shall a later process go by what was said before
  }
  for (const Waiting& one : waiting) {
    // RFC 5861, section 4.
    const bool stands_in =
        stale != nullptr && !stale->is_for_one() &&
        http::reusable_on_error(stale->freshness, one.request, wall_clock(), options_.stale_if_error);
    if (found || stands_in) {
      Open open = found ? *found : Open{.object = stale, .failure = *failure};
      if (!options_.offline) {  // then nobody has been asked
        open.status.forward = open.status.forward ? open.status.forward : one.status.forward;
        open.status.collapsed = one.status.collapsed;
        if (!found) {
          open.status.forward_status = found.error().http_status;
          open.status.detail = to_string(found.error().error.code);
        }
      }
      one.done(std::move(open));
    } else {
      one.done(tl::unexpected(Refused(found.error().clone(), one.status)));
    }
  }
  end_question();
}

void Objects::settle_noted(const Source& source, Open noted) {
  std::vector<Waiting> told;
  bool asks = false;
  const auto settled = file::contained([&]() -> Result<void> {
    const auto now = wall_clock();
    MutexLock lock(mutex_);
    Slot& slot = slots_.at(source.name);
    std::vector<Waiting> waiting;
    waiting.reserve(slot.waiting.size());
    told.reserve(slot.waiting.size());
    for (Waiting& one : slot.waiting) {
      const Reuse how = reuse(*noted.object, one.request, now);
      asks = asks || how == Reuse::validated || how == Reuse::while_validating;
      one.status.forward = why_asked(noted.object.get(), now);
      (how == Reuse::validated ? waiting : told).push_back(std::move(one));
    }
    if (!waiting.empty()) {
      waiting.front().status.collapsed = false;  // so far only the store has been asked
    }
    slot.object = noted.object;
    slot.waiting = std::move(waiting);
    slot.asking = asks;
    return {};
  });
  if (!settled) {
    settle(source.name, tl::unexpected(Failure{settled.error().clone(), true}));
    return;
  }
  for (const Waiting& one : told) {
    one.done(noted);
  }
  asks ? ask(source) : end_question();
}

void Objects::end_question() {
  MutexLock lock(mutex_);
  --questions_;
  idle_.notify_all();
}

Objects::Slot& Objects::slot_of_locked(const std::string& name, std::vector<std::shared_ptr<const Object>>& closed) {
  if (const auto it = slots_.find(name); it != slots_.end()) {
    used_.splice(used_.end(), used_, it->second.used);
    return it->second;
  }
  close_unused_locked(closed);
  used_.push_back(name);
  try {
    Slot& slot = slots_[name];
    slot.used = std::prev(used_.end());
    return slot;
  } catch (...) {
    used_.pop_back();
    throw;
  }
}

void Objects::close_unused_locked(std::vector<std::shared_ptr<const Object>>& closed) {
  for (auto it = used_.begin(); slots_.size() >= options_.most_open && it != used_.end();) {
    const auto slot = slots_.find(*it);
    if (slot->second.object.use_count() <= 1 && !slot->second.asking) {
      closed.push_back(slot->second.object);
      slots_.erase(slot);
      it = used_.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace strandline::serve
