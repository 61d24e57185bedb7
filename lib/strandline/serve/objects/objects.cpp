#include <strandline/drivers/file/failure.h>
#include <strandline/serve/objects/objects.h>

#include <algorithm>
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
  // Parts that come later might be of another version.
  const bool is_one_version = is_told(object.info) || options_.offline || is_whole(object.fetched.resource());
  if (!is_one_version && at - object.freshness.came() >= options_.untold_for) {
    return Reuse::validated;
  }
  return http::reuse(object.freshness, request, at);
}

Reuse Objects::reuse_for(const Waiting& one, const Object& object, Time at) const {
  const bool is_unread = !one.first.empty() && is_doubted(object);
  const bool is_not_kept = one.request.no_store && !is_whole(object.fetched.resource());
  return is_unread || is_not_kept ? Reuse::validated : reuse(object, one.request, at);
}

CacheStatus::Forward Objects::why_asked(const Object* object, Time at) const {
  using Forward = CacheStatus::Forward;
  if (object == nullptr || is_doubted(*object) || !has_anything(object->fetched.resource())) {
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

Objects::Place Objects::find(Source source, const CacheControl& request, const std::function<ByteRange()>& first,
                             Done done) noexcept {
  std::vector<std::shared_ptr<const Object>> closed;  // outside the lock
  Place place;
  Questioned begun;
  bool is_alone = false;
  std::shared_ptr<const Object> at_hand;
  const auto found = file::contained([&]() -> Result<void> {
    Waiting one{0, request, first(), {}};
    if (source.name.empty() || request.no_store || is_full()) {
      one.alone = std::make_shared<Question>(source, ByteRange{}, stop_.get_token());
    }
    MutexLock lock(mutex_);
    const auto known = slots_.find(source.name);
    const bool is_for_one = known != slots_.end() && is_for_one_locked(known->second, closed);
    if (is_for_one && one.alone == nullptr) {
      one.alone = std::make_shared<Question>(source, ByteRange{}, stop_.get_token());
    }
    const auto now = wall_clock();
    const Slot* const there = known != slots_.end() ? &known->second : nullptr;
    const Object* const object = there != nullptr ? there->object.get() : nullptr;
    one.request.no_store = one.alone != nullptr && (request.no_store || source.name.empty() || there != nullptr);
    one.alone = one.request.no_store ? std::move(one.alone) : nullptr;
    // Else it may be in the store.
    const bool is_known = is_for_one || source.name.empty() || object != nullptr ||
                          (there != nullptr && there->asking != nullptr && there->asking->asks_origin);
    const Reuse how = object != nullptr ? reuse_for(one, *object, now) : Reuse::validated;
    const bool waits_here = how == Reuse::validated && !(is_known && (request.only_if_cached || one.request.no_store));
    if (how == Reuse::validated && is_known && request.only_if_cached) {
      return fail(Errc::timed_out, "only-if-cached");  // RFC 9111, section 5.2.1.7: 504
    }
    if (how == Reuse::validated && !waits_here) {
      ++questions_;
      is_alone = true;
      place.alone = one.alone;
      return {};
    }
    Slot& slot = slot_of_locked(source.name, closed);
    if (slot.asking == nullptr && (how == Reuse::validated || how == Reuse::while_validating)) {
      begun = question_locked(source, slot, one.first);
      begun->in_background = how == Reuse::while_validating;
    }
    if (waits_here) {
      one.status = {.forward = why_asked(object, now), .collapsed = begun == nullptr};
      place.name = source.name;
      one.number = last_number_ + 1;
      slot.waiting.push_back(std::move(one));
      slot.waiting.back().done = std::move(done);
      place.number = ++last_number_;
      place.alone = slot.waiting.back().alone;
    } else {
      at_hand = slot.object;
    }
    if (begun != nullptr) {
      slot.asking = begun;
      ++questions_;
    }
    return {};
  });
  for (const auto& object : closed) {
    if (object != nullptr && object->is_for_one()) {
      notes_.keep(object->fetched.lease(), std::string(kTakenBack));  // nor shall a later process give it out
    }
  }
  closed.clear();
  if (!found) {
    done(tl::unexpected(Failure{found.error().clone(), true}));
    return {};
  }
  if (is_alone) {
    ask_for_one(place.alone, std::move(done));
  }
  if (at_hand != nullptr) {
    done(Open{std::move(at_hand)});
  }
  if (begun != nullptr) {
    begin(begun);
  }
  return place;
}

void Objects::leave(const Place& place) noexcept {
  if (place.alone != nullptr) {
    place.alone->unwanted.request_stop();
  }
  if (place.number == 0) {
    return;
  }
  std::list<Waiting> gone;  // outside the lock
  Questioned left;
  {
    MutexLock lock(mutex_);
    const auto slot = slots_.find(place.name);
    if (slot == slots_.end()) {
      return;
    }
    auto& waiting = slot->second.waiting;
    const auto one =
        std::find_if(waiting.begin(), waiting.end(), [&](const Waiting& each) { return each.number == place.number; });
    if (one == waiting.end()) {
      return;
    }
    gone.splice(gone.end(), waiting, one);
    const Questioned& asking = slot->second.asking;
    if (waiting.empty() && asking != nullptr && !asking->in_background) {
      asking->left = true;
      left = asking;
    }
  }
  if (left != nullptr) {
    left->unwanted.request_stop();
    settle_left(left);
  }
}

void Objects::close_unread() noexcept {
  // Without memory some stay as they are.
  static_cast<void>(file::contained([&]() -> Result<void> {
    std::vector<std::shared_ptr<const Object>> closed;  // end outside the lock
    MutexLock lock(mutex_);
    close_unused_locked(0, closed);
    return {};
  }));
}

bool Objects::is_for_one_locked(Slot& slot, std::vector<std::shared_ptr<const Object>>& closed) {
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

std::shared_ptr<const Object> Objects::made(Object object) {
  return {new Object(std::move(object)), [closer = closer_](const Object* unused) { closer->close(unused); }};
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
  close_unused_locked(std::max<std::size_t>(options_.most_open, 1) - 1, closed);
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

void Objects::close_unused_locked(std::size_t most, std::vector<std::shared_ptr<const Object>>& closed) {
  for (auto it = used_.begin(); slots_.size() > most && it != used_.end();) {
    const auto slot = slots_.find(*it);
    if (slot->second.object.use_count() <= 1 && slot->second.asking == nullptr) {
      closed.push_back(slot->second.object);
      slots_.erase(slot);
      it = used_.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace strandline::serve
