#include <strandline/drivers/file/failure.h>
#include <strandline/fill/cached_origin.h>
#include <strandline/fill/engine/workers.h>
#include <strandline/fill/opening/object_slot.h>
#include <strandline/fill/opening/relay.h>
#include <strandline/origin/blocking.h>

#include <algorithm>
#include <utility>

namespace strandline::fill {
namespace {

using origin::Failure;
using origin::ObjectInfo;
using origin::Outcome;
using Note = CachedOriginOptions::Note;

constexpr std::size_t kPiece = 256 * 1024;
constexpr std::size_t kMostOpen = 64;  // objects, but for those that are being read

// What is thrown for want of memory, as a Failure.
template <class Call>
auto contained(Call&& call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return tl::unexpected(Failure{Error::make(Errc::no_memory)});
  }
}

}  // namespace

class CachedOrigin::Reading {
 public:
  Reading(CachedOrigin& origin, origin::ReadRequest request, origin::Sink& sink, std::stop_token stop)
      : origin_(origin), request_(std::move(request)), sink_(sink), stop_(std::move(stop)), at_(request_.range.begin) {}

  [[nodiscard]] Outcome<void> run() {
    if (stop_.stop_requested()) {
      return failed(Errc::interrupted, {});
    }
    if (!request_.range.valid() || request_.range.empty()) {
      return failed(Errc::invalid_range, "a read of " + to_string(request_.range));
    }
    auto opened = origin_.object_for(request_, stop_);
    if (!opened) {
      return tl::unexpected(std::move(opened.error()));
    }
    object_ = std::move(*opened);
    if (!object_->fetched) {
      return past_the_store();
    }
    buffer_.resize(kPiece);
    // Steps end where those of other reads do: so fewer chunks are held.
    for (;;) {
      const std::uint64_t step = origin_.options_.step;
      const ByteRange part{at_, std::min(request_.range.end, (at_ / step + 1) * step)};
      if (auto over = read_part(part)) {
        return std::move(*over);
      }
      if (at_ == request_.range.end) {
        return {};
      }
    }
  }

 private:
  [[nodiscard]] const Resource<store::EntryDriver>& resource() const { return object_->fetched->resource(); }
  [[nodiscard]] static tl::unexpected<Failure> failed(Errc code, std::string_view why) {
    return tl::unexpected(Failure{Error::make(code, why)});
  }

  // All of the part is asked for at once, and held until it has been read. Something: so the read ends.
  [[nodiscard]] std::optional<Outcome<void>> read_part(ByteRange part) {
    auto lease = object_->fetched->lease();
    // What cannot be held may have to be fetched twice.
    static_cast<void>(lease.pin(part.clamped_to(store::Entry::kWhole)));
    std::stop_source read;
    resource().async_wait(part, {.stop = read.get_token(), .deadline = {}}, [](const Result<WaitOutcome>&) {});
    auto over = read_held(part);
    read.request_stop();
    return over;
  }

  [[nodiscard]] std::optional<Outcome<void>> read_held(ByteRange part) {
    while (at_ < part.end) {
      if (stop_.stop_requested()) {
        return failed(Errc::interrupted, {});
      }
      if (const auto length = resource().length(); length && at_ >= *length) {
        return at_end(*length);
      }
      const auto gap = resource().next_gap(at_, part.end);
      if (gap && gap->begin <= at_) {
        const auto outcome =
            resource().wait_range({at_, part.end}, {.stop = stop_, .deadline = {}, .until = WaitFor::any});
        if (!outcome) {
          return not_to_be_had(outcome.error());
        }
        continue;
      }
      const std::uint64_t there = (gap ? gap->begin : part.end) - at_;
      const auto piece = std::span(buffer_).first(std::min<std::uint64_t>(kPiece, there));
      const auto count = resource().read_at(at_, piece);
      if (!count && count.error().code == Errc::not_available) {
        continue;  // given up at this moment
      }
      if (!count) {
        note_past(count.error());
        return past_the_store();
      }
      auto taken = begin();
      if (taken) {
        taken = sink_.bytes(std::exchange(at_, at_ + *count), piece.first(*count));
      }
      if (!taken) {
        return tl::unexpected(Failure{std::move(taken.error())});
      }
    }
    return std::nullopt;
  }

  // Not before there is something to tell: an answer's time is measured.
  [[nodiscard]] Result<void> begin() {
    if (told_) {
      return {};
    }
    ObjectInfo& info = told_.emplace(object_->info);
    const auto length = resource().length();
    info.size = length ? length : info.size;
    info.accepts_ranges = true;
    return sink_.begin(info, at_);
  }

  [[nodiscard]] Outcome<void> at_end(std::uint64_t length) {
    if (!told_ && at_ > 0) {
      Failure failure{Error::make(Errc::invalid_range, "the object has " + std::to_string(length) + " bytes")};
      failure.size = length;
      return tl::unexpected(std::move(failure));
    }
    auto taken = begin();
    return taken ? Outcome<void>() : tl::unexpected(Failure{std::move(taken.error())});
  }

  // The filler has tried for long.
  [[nodiscard]] Outcome<void> not_to_be_had(const Error& error) {
    const auto why = object_->fetched->given_up();
    const Error& cause = why ? *why : error;
    if ((!why && error.code != Errc::changed) || cause.code == Errc::no_space) {  // the store's
      note_past(cause);
      return past_the_store();
    }
    // The next read asks anew which version there is.
    origin_.slot_of(request_.key)->forget(object_);
    return tl::unexpected(Failure{cause.clone()});
  }

  void note_past(const Error& why) {
    if (!object_->told_past.exchange(true)) {
      origin_.tell(Note::past, why);
    }
  }

  [[nodiscard]] Outcome<void> past_the_store() {
    origin::ReadRequest rest = request_;
    rest.range.begin = at_;
    rest.if_match = object_->info.validator;
    const auto relay = std::make_shared<Relay>(sink_, at_, told_);
    origin_.origin_->read(std::move(rest), relay, stop_);
    return relay->wait();
  }

  CachedOrigin& origin_;
  const origin::ReadRequest request_;
  origin::Sink& sink_;
  const std::stop_token stop_;
  std::shared_ptr<OpenObject> object_;
  std::vector<std::byte> buffer_;
  std::uint64_t at_;
  std::optional<ObjectInfo> told_;  // to the sink
};

CachedOrigin::CachedOrigin(store::Store store, std::shared_ptr<Filler> filler, std::shared_ptr<origin::Origin> origin,
                           CachedOriginOptions options)
    : store_(store),
      fetcher_(std::move(store), std::move(filler)),
      origin_(std::move(origin)),
      options_(std::move(options)),
      workers_(std::make_unique<Workers>()) {}

CachedOrigin::~CachedOrigin() = default;

// Calls are stopped in one way, for two reasons.
template <class T>
void CachedOrigin::tell_why_stopped(Outcome<T>& outcome, const std::stop_token& by_user) const noexcept {
  if (!outcome && outcome.error().error.code == Errc::interrupted && !by_user.stop_requested()) {
    outcome = tl::unexpected(Failure{Error::make(Errc::cancelled, "the origin goes")});
  }
}

std::shared_ptr<ObjectSlot> CachedOrigin::slot_of(const std::string& key) {
  std::vector<std::shared_ptr<ObjectSlot>> idle;  // end outside the lock
  MutexLock lock(mutex_);
  if (slots_.size() >= kMostOpen && !slots_.contains(key)) {
    idle.reserve(slots_.size());
    std::erase_if(slots_, [&idle](auto& known) {
      // References to a slot are taken under the lock: nobody else has this one, or holds its mutex.
      if (known.second.use_count() > 1 || known.second->in_use()) {
        return false;
      }
      idle.push_back(std::move(known.second));
      return true;
    });
  }
  auto& slot = slots_[key];
  if (slot == nullptr) {
    slot = std::make_shared<ObjectSlot>(options_.untold_for);
  }
  auto found = slot;
  lock.unlock();
  return found;
}

CachedOrigin::Opened CachedOrigin::object_for(const origin::ReadRequest& request, const std::stop_token& stop) {
  const auto ask = [&](const std::shared_ptr<OpenObject>& at_hand) {
    return contained([&] { return open(request.key, at_hand, stop); });
  };
  return slot_of(request.key)->get(request.if_match, ask, stop);
}

CachedOrigin::Opened CachedOrigin::open(const std::string& key, const std::shared_ptr<OpenObject>& at_hand,
                                        const std::stop_token& stop) {
  const auto object = std::make_shared<OpenObject>();
  auto info = origin::blocking::stat(*origin_, key, stop);
  if (at_hand != nullptr && (info ? info->validator == at_hand->info.validator && info->size == at_hand->info.size
                                  : info.error().may_pass && at_hand->stale)) {
    return at_hand;
  }
  if (!info) {
    object->fetched = info.error().may_pass ? open_stale(key) : std::nullopt;
    if (!object->fetched) {
      return tl::unexpected(std::move(info.error()));
    }
    object->stale = true;
    object->info = {object->fetched->resource().length(), object->fetched->validator(), true, {}};
    tell(Note::stale, info.error().error);
    return object;
  }
  object->info = std::move(*info);
  if (options_.capped && !object->info.accepts_ranges) {
    object->told_past = true;
    tell(Note::past,
         Error::make(Errc::unsupported, "the server does not send parts of it, and the cache may be too small"));
    return object;
  }
  FetchOptions fetching;
  fetching.limits.policy = Policy::demand_only;
  fetching.store_key = entry_of(key);
  fetching.object = object->info;
  auto fetched = fetcher_.open(origin_, key, fetching, stop);
  if (fetched) {
    object->fetched = std::move(*fetched);
  } else {
    object->told_past = true;
    tell(Note::past, fetched.error());
  }
  return object;
}

std::optional<Fetched> CachedOrigin::open_stale(const std::string& key) {
  FetchOptions fetching;
  fetching.limits.policy = Policy::demand_only;
  fetching.store_key = entry_of(key);
  fetching.any_version = true;
  fetching.retry.give_up = Seconds(0);  // the origin has just not answered
  const auto there = store_.peek(fetching.store_key);
  if (!there || there->resource().status().state != State::committed) {
    return std::nullopt;
  }
  auto fetched = fetcher_.open(origin_, key, fetching);
  return fetched ? std::optional<Fetched>(std::move(*fetched)) : std::nullopt;
}

void CachedOrigin::stat(std::string key, origin::Reply<ObjectInfo> reply, std::stop_token stop) noexcept {
  auto started = file::contained([&] {
    return workers_->run([this, key = std::move(key), reply, stop = std::move(stop)] {
      auto answer = contained([&]() -> Outcome<ObjectInfo> {
        const EitherStop either(stop, workers_->ending());
        auto asked = origin::blocking::stat(*origin_, key, either.token());
        if (!asked && asked.error().may_pass) {
          if (const auto stale = open_stale(key)) {
            return ObjectInfo{stale->resource().length(), stale->validator(), true, {}};
          }
        }
        return asked;
      });
      tell_why_stopped(answer, stop);
      reply(std::move(answer));
    });
  });
  if (!started) {
    reply(tl::unexpected(Failure{std::move(started.error()), true}));
  }
}

void CachedOrigin::read(origin::ReadRequest request, std::shared_ptr<origin::Sink> sink,
                        std::stop_token stop) noexcept {
  auto started = file::contained([&] {
    return workers_->run([this, request = std::move(request), sink, stop = std::move(stop)]() mutable {
      auto outcome = contained([&]() -> Outcome<void> {
        const EitherStop either(stop, workers_->ending());
        return Reading(*this, std::move(request), *sink, either.token()).run();
      });
      tell_why_stopped(outcome, stop);
      std::exchange(sink, nullptr)->end(std::move(outcome));
    });
  });
  if (!started) {
    sink->end(tl::unexpected(Failure{std::move(started.error()), true}));
  }
}

}  // namespace strandline::fill
