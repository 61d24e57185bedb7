#include <strandline/drivers/file/failure.h>
#include <strandline/serve/http/caching/storing.h>
#include <strandline/serve/objects/objects.h>

#include <iterator>
#include <utility>

namespace strandline::serve {

using http::CacheControl;
using http::Freshness;
using http::Reuse;
using origin::Failure;
using origin::ObjectInfo;

namespace {

constexpr std::size_t kOpeningAtOnce = 16;  // of one server's

Freshness freshness_of(const ObjectInfo& info, Freshness::Time asked, Freshness::Time answered) {
  const auto field = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::string_view>(text);
  };
  const origin::CachingFields& said = info.caching;
  return Freshness::of({.cache_control = said.cache_control,
                        .expires = field(said.expires),
                        .date = field(said.date),
                        .age = field(said.age),
                        .last_modified = field(said.last_modified)},
                       asked, answered);
}

Freshness ruled(const Source& source, const Freshness& said) {
  return source.rule ? said.under(source.rule->freshness) : said;
}

bool may_be_shared(const ObjectInfo& info, const Freshness& freshness) {
  return !http::reason_not_to_store(
      {.response = freshness.control(), .sets_cookie = info.caching.sets_cookie, .vary = info.caching.vary});
}

// Committed or not: its last byte is here before that.
bool is_whole(const Resource<store::EntryDriver>& resource) {
  const auto length = resource.length();
  return length && resource.contains({0, *length});
}

// Is what is missing still to be had?
bool can_go_on(const fill::Fetched& fetched) {
  return !fetched.lease().entry().is_past() && (!fetched.given_up() || is_whole(fetched.resource()));
}

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
  if (!can_go_on(object.fetched)) {
    return Reuse::validated;
  }
  if (!is_told(object.info)) {
    return object.freshness.age(at) < options_.untold_for ? Reuse::fresh : Reuse::validated;
  }
  return http::reuse(object.freshness, request, at);
}

void Objects::find(Source source, const CacheControl& request, ByteRange first, Done done) noexcept {
  std::vector<std::shared_ptr<const Object>> closed;  // outside the lock
  bool known = false;
  bool alone = false;
  std::shared_ptr<const Object> at_hand;
  const auto begun = file::contained([&]() -> Result<bool> {
    MutexLock lock(mutex_);
    if (source.name.empty() || (request.no_store && !request.only_if_cached && !has_all_locked(source.name, request))) {
      alone = true;
      ++questions_;
      return false;
    }
    Slot& slot = slot_of_locked(source.name, closed);
    const Reuse how = slot.object != nullptr ? reuse(*slot.object, request, wall_clock()) : Reuse::validated;
    if (how != Reuse::validated) {
      at_hand = slot.object;
    } else if (request.only_if_cached) {
      return fail(Errc::timed_out, "only-if-cached");  // RFC 9111, section 5.2.1.7: 504
    } else {
      slot.waiting.reserve(slot.waiting.size() + 1);
      slot.waiting.push_back({request, std::move(done)});
    }
    if (slot.asking || how == Reuse::fresh || how == Reuse::stale) {
      return false;
    }
    known = slot.object != nullptr;
    slot.asking = true;
    ++questions_;
    return true;
  });
  closed.clear();
  if (!begun) {
    done(tl::unexpected(Failure{begun.error().clone(), true}));
    return;
  }
  if (alone) {
    ask_for_one(source, std::move(done));
  }
  if (at_hand != nullptr) {
    done(Open{std::move(at_hand), false});
  }
  if (*begun && !known && options_.offline) {
    open_what_is_here(source);
  } else if (*begun && (known || first.empty())) {
    ask(source);
  } else if (*begun) {
    read_first(source, first);
  }
}

bool Objects::has_all_locked(const std::string& name, const CacheControl& request) const {
  const auto slot = slots_.find(name);
  const Object* const object = slot != slots_.end() ? slot->second.object.get() : nullptr;
  return object != nullptr && reuse(*object, request, wall_clock()) != Reuse::validated &&
         is_whole(object->fetched.resource());
}

void Objects::ask_for_one(const Source& source, Done done) {
  const auto kept = std::make_shared<Done>(std::move(done));
  source.origin->stat(
      source.key,
      [this, source, kept, asked = wall_clock()](origin::Outcome<ObjectInfo> info) {
        auto found = file::contained([&]() -> Result<Open> {
          if (!info) {
            return fail(Errc::io);
          }
          const Freshness freshness = freshness_of(*info, asked, wall_clock());
          return Open{nullptr, true, std::make_shared<Unshared>(Unshared{source, std::move(*info), freshness})};
        });
        (*kept)(!info   ? Found(tl::unexpected(std::move(info.error())))
                : found ? Found(std::move(*found))
                        : tl::unexpected(Failure{std::move(found.error()), true}));
        end_question();
      },
      stop_.get_token());
}

void Objects::ask(const Source& source) {
  source.origin->stat(
      source.key,
      [this, source, asked = wall_clock()](origin::Outcome<ObjectInfo> info) {
        auto told = file::contained([&]() -> Result<void> {
          answered(source, asked, std::move(info));
          return {};
        });
        if (!told) {
          settle(source.name, tl::unexpected(Failure{std::move(told.error()), true}));
        }
      },
      stop_.get_token());
}

void Objects::answered(const Source& source, Time asked, origin::Outcome<ObjectInfo> info) {
  if (!info) {
    settle(source.name, tl::unexpected(std::move(info.error())));
    return;
  }
  std::shared_ptr<const Object> at_hand;
  long holders = 0;
  {
    MutexLock lock(mutex_);
    at_hand = slots_.at(source.name).object;
    holders = at_hand.use_count();
  }
  constexpr long kSlotAndHere = 2;
  const bool goes_on = at_hand != nullptr && can_go_on(at_hand->fetched);
  const bool told = is_told(*info);
  const Freshness freshness = ruled(source, freshness_of(*info, asked, wall_clock()));
  if (!may_be_shared(*info, freshness)) {
    settle(source.name, Open{nullptr, true, std::make_shared<Unshared>(Unshared{source, std::move(*info), freshness})});
  } else if (goes_on && told && at_hand->info.validator == info->validator) {
    settle(source.name, Open{made({std::move(*info), freshness, at_hand->fetched, at_hand->opened}), true});
  } else if (goes_on && !told && !is_told(at_hand->info) && holders > kSlotAndHere) {
    settle(source.name, Open{std::move(at_hand), true});  // another would break off those who read this one
  } else {
    fill::FetchOptions options;
    options.object = *info;
    if (at_hand != nullptr) {
      replaced_.fetch_add(told && is_told(at_hand->info) && at_hand->info.validator != info->validator ? 1 : 0,
                          std::memory_order_relaxed);
      options.instead_of = std::shared_ptr<const fill::Fetched>(at_hand, &at_hand->fetched);
    }
    open(source, std::move(options), std::make_shared<const Told>(Told{std::move(*info), freshness}));
  }
}

void Objects::read_first(const Source& source, ByteRange first) {
  const auto told = std::make_shared<Told>();
  fill::FetchOptions options;
  options.first = first;
  options.retry.give_up = fill::Seconds(0);
  options.accept = [told, source, asked = wall_clock()](const ObjectInfo& info) {
    return file::contained([&]() -> Result<void> {
      *told = {info, ruled(source, freshness_of(info, asked, wall_clock()))};
      told->unshared = !may_be_shared(info, told->freshness);
      return told->unshared ? fail(Errc::unsupported, "not to be shared") : Result<void>();
    });
  };
  options.refused = [told](const origin::Failure& failure) { told->refusal = failure.clone(); };
  auto begun = file::contained([&]() -> Result<void> {
    open(source, std::move(options), told);
    return {};
  });
  if (!begun) {
    settle(source.name, tl::unexpected(Failure{std::move(begun.error()), true}));
  }
}

void Objects::open_what_is_here(const Source& source) {
  fill::FetchOptions options;
  options.any_version = true;
  options.retry.give_up = fill::Seconds(0);
  auto begun = file::contained([&]() -> Result<void> {
    open(source, std::move(options), nullptr);
    return {};
  });
  if (!begun) {
    settle(source.name, tl::unexpected(Failure{std::move(begun.error()), true}));
  }
}

void Objects::open(const Source& source, fill::FetchOptions options, std::shared_ptr<const Told> told) {
  options.limits = options_.limits;
  if (source.rule && source.rule->read_ahead) {
    options.limits.window = *source.rule->read_ahead;
  }
  options.store_key = source.name;
  const std::string server = source.origin->server(source.key);
  auto begin = [this, source, server, options = std::move(options), told = std::move(told)] {
    fetcher_.async_open(
        source.origin, source.key, options, stop_.get_token(),
        [this, server, source, told](Result<fill::Fetched> opened) {
          open_next(server);
          auto found = file::contained([&]() -> Result<Open> {
            if (opened && told == nullptr) {
              const auto now = wall_clock();
              ObjectInfo info{opened->resource().length(), opened->validator(), true, {}};
              return Open{made({info, freshness_of(info, now, now), std::move(*opened)}), false};
            }
            if (told != nullptr && told->unshared) {
              return Open{nullptr, true, std::make_shared<Unshared>(Unshared{source, told->info, told->freshness})};
            }
            return opened ? Result<Open>(Open{made({told->info, told->freshness, std::move(*opened)}), true})
                          : fail(std::move(opened.error()));
          });
          const bool refused = told != nullptr && told->refusal;
          settle(source.name, found     ? Found(std::move(*found))
                              : refused ? tl::unexpected(told->refusal->clone())
                                        : tl::unexpected(Failure{std::move(found.error()), true}));
        });
  };
  {
    MutexLock lock(mutex_);
    Line& line = lines_[server];
    if (line.opening == kOpeningAtOnce) {
      line.waiting.emplace_back(std::move(begin));
      return;
    }
    ++line.opening;
  }
  begin();
}

void Objects::open_next(const std::string& server) {
  std::function<void()> next;
  {
    MutexLock lock(mutex_);
    const auto it = lines_.find(server);
    Line& line = it->second;
    if (line.waiting.empty()) {
      if (--line.opening == 0) {
        lines_.erase(it);
      }
      return;
    }
    next = std::move(line.waiting.front());
    line.waiting.pop_front();
  }
  next();
}

std::shared_ptr<const Object> Objects::made(Object object) {
  return {new Object(std::move(object)), [closer = closer_](const Object* unused) { closer->close(unused); }};
}

void Objects::settle(const std::string& name, Found found) {
  std::shared_ptr<const Object> before;  // ends outside the lock
  std::shared_ptr<const Object> stale;
  std::vector<Waiting> waiting;
  {
    MutexLock lock(mutex_);
    Slot& slot = slots_.at(name);
    slot.asking = false;
    waiting = std::exchange(slot.waiting, {});
    if (found && found->object != nullptr) {
      before = std::exchange(slot.object, found->object);
    } else if (found || slot.object == nullptr || !found.error().may_pass) {
      before = std::move(slot.object);
      used_.erase(slot.used);
      slots_.erase(name);
    } else if (is_whole(slot.object->fetched.resource())) {
      stale = slot.object;  // not what is incomplete: its end would be missed in the midst
    }
  }
  for (const Waiting& one : waiting) {
    // RFC 5861, section 4.
    const bool stands_in = stale != nullptr && http::reusable_on_error(stale->freshness, one.request, wall_clock(),
                                                                       options_.stale_if_error);
    if (found) {
      one.done(*found);
    } else if (stands_in) {
      one.done(Open{stale, true});
    } else {
      one.done(tl::unexpected(found.error().clone()));
    }
  }
  end_question();
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
