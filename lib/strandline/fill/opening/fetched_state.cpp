#include <strandline/drivers/file/failure.h>
#include <strandline/fill/opening/fetched_state.h>

#include <random>

namespace strandline::fill {
namespace {

// The validator of an entry whose origin tells no versions apart: ETags have quotes.
constexpr std::string_view kUntold = "fetched ";

bool is_comparable(const Validator& validator) noexcept {
  return validator.kind != Validator::Kind::weak || !validator.value.starts_with(kUntold);
}

}  // namespace

Result<void> Fetched::State::start() {
  auto set = lease_.set_successor([self = weak_from_this()] {
    if (const auto state = self.lock()) {
      // Whatever keeps it from that now may have gone at the next look.
      static_cast<void>(file::contained([&] { return state->fetch_if_nobody_does(); }));
    }
  });
  return set ? fetch_if_nobody_does() : std::move(set);
}

Validator Fetched::State::validator() const {
  return is_comparable(lease_.validator()) ? lease_.validator() : Validator();
}

void Fetched::State::give_up(const Error& why) noexcept {
  given_up_->because(why);  // first: who is called as the successor meanwhile begins nothing
  MutexLock starting(starting_);
  static_cast<void>(lease_.set_successor({}));  // taking away needs no memory
  Fill fill;
  {
    MutexLock lock(mutex_);
    std::swap(fill, fill_);
  }
  fill.stop();
}

Result<store::Lease> Fetched::State::lease_of(store::Store& store, const std::string& name,
                                              const origin::ObjectInfo& object) {
  store::AcquireOptions options;
  options.length = object.size;
  options.want_writer = false;
  if (object.validator.kind != Validator::Kind::none) {
    return store.acquire(name, object.validator, options);
  }
  return store.acquire(name, {Validator::Kind::weak, std::string(kUntold) + std::to_string(std::random_device()())},
                       options);
}

Result<std::unique_ptr<Target>> Fetched::State::target(ByteRange first) {
  const auto taken = lease_.take_writer();
  if (!taken || !*taken) {
    return taken ? fail(Errc::busy, "another fetches it") : fail(taken.error().clone());
  }
  first_.emplace(resource(), first);
  return std::make_unique<LeaseTarget>(lease_, given_up_);
}

Result<void> Fetched::State::fetch_if_nobody_does() {
  MutexLock starting(starting_);
  if (fetching() || resource().status().state == strandline::State::committed) {
    return {};
  }
  if (given_up_->why()) {
    return lease_.set_successor({});
  }
  const auto taken = lease_.take_writer();
  if (!taken || !*taken) {
    return taken ? Result<void>() : fail(taken.error().clone());
  }
  FillRequest request;
  request.origin = origin_;
  request.key = key_;
  request.limits = options_.limits;
  request.validator = validator();
  request.accept = options_.accept_bytes;
  request.target = std::make_unique<LeaseTarget>(lease_, given_up_);
  auto begun = filler_->fill(std::move(request));
  if (!begun) {
    lease_.end_writing();
    return fail(std::move(begun.error()));
  }
  {
    MutexLock lock(mutex_);
    std::swap(fill_, *begun);
  }
  return {};
}

}  // namespace strandline::fill
