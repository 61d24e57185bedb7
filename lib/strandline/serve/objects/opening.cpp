// Objects: what origins are asked, what the store knows already, and how what they answer becomes open.
#include <strandline/drivers/file/failure.h>
#include <strandline/serve/http/caching/storing.h>
#include <strandline/serve/objects/objects.h>

#include <algorithm>
#include <utility>

namespace strandline::serve {

using http::Freshness;
using http::Reuse;
using origin::Failure;
using origin::ObjectInfo;

namespace {

constexpr std::size_t kOpeningAtOnce = 16;  // of one server's

Freshness ruled(const Source& source, const Said& said) {
  const Freshness freshness = freshness_of(said);
  return source.rule ? freshness.under(source.rule->freshness) : freshness;
}

bool may_be_shared(const ObjectInfo& info, const Freshness& freshness) {
  return !http::reason_not_to_store(
      {.response = freshness.control(), .sets_cookie = info.caching.sets_cookie, .vary = info.caching.vary});
}

// The store's folder may have gone, or be closed to us: no word of the origin's on the object.
Error of_this_side(Error why) noexcept {
  if (why.code == Errc::not_found || why.code == Errc::permission_denied) {
    why.code = Errc::busy;
  }
  return why;
}

}  // namespace

std::optional<Failure> Objects::paused(const Source& source) const noexcept {
  auto known = file::contained([&]() -> Result<std::optional<Failure>> {
    return pauses_.standing(source.origin->server(source.key), source.key, std::chrono::steady_clock::now());
  });
  return known ? std::move(*known) : std::nullopt;
}

void Objects::heard(const Source& source, const Failure* failure) noexcept {
  static_cast<void>(file::contained([&]() -> Result<void> {
    pauses_.heard(source.origin->server(source.key), source.key, failure, std::chrono::steady_clock::now());
    return {};
  }));
}

void Objects::ask_for_one(const Source& source, bool as_private, Done done) {
  if (auto failure = paused(source)) {
    done(tl::unexpected(std::move(*failure)));
    end_question();
    return;
  }
  const auto kept = std::make_shared<Done>(std::move(done));
  source.origin->stat(
      source.key,
      [this, source, as_private, kept, asked = wall_clock()](origin::Outcome<ObjectInfo> info) {
        heard(source, info ? nullptr : &info.error());
        auto found = file::contained([&]() -> Result<Open> {
          if (!info) {
            return fail(Errc::io);
          }
          Freshness freshness = freshness_of({*info, asked, wall_clock()});
          if (as_private && may_be_shared(*info, freshness)) {
            std::string& control = info->caching.cache_control;
            control += control.empty() ? "private" : ", private";  // nor shall who is behind us share it
            freshness = freshness_of({*info, asked, wall_clock()});
          }
          return Open{nullptr, std::make_shared<Unshared>(Unshared{source, std::move(*info), freshness})};
        });
        constexpr http::CacheStatus kAsked{.forward = http::CacheStatus::Forward::bypass};
        (*kept)(!info   ? Found(tl::unexpected(Refused(std::move(info.error()), kAsked)))
                : found ? Found(std::move(*found))
                        : tl::unexpected(Failure{std::move(found.error()), true}));
        end_question();
      },
      stop_.get_token());
}

void Objects::ask(const Source& source) {
  if (auto failure = paused(source)) {
    settle(source.name, tl::unexpected(std::move(*failure)));
    return;
  }
  source.origin->stat(
      source.key,
      [this, source, asked = wall_clock()](origin::Outcome<ObjectInfo> info) {
        heard(source, info ? nullptr : &info.error());
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
  Said said{std::move(*info), asked, wall_clock()};
  const Freshness freshness = ruled(source, said);
  const bool told = is_told(said.info);
  if (!may_be_shared(said.info, freshness)) {
    settle(source.name, Open{nullptr, std::make_shared<Unshared>(Unshared{source, std::move(said.info), freshness})});
  } else if (goes_on && told && at_hand->info.validator == said.info.validator) {
    auto noted = note(at_hand->fetched, at_hand->noted, said);
    settle(source.name, Open{made({std::move(said.info), freshness, at_hand->fetched, at_hand->for_one,
                                   std::move(noted), at_hand->opened})});
  } else if (goes_on && !told && !is_told(at_hand->info) && holders > kSlotAndHere) {
    settle(source.name, Open{std::move(at_hand)});  // another would break off those who read this one
  } else {
    fill::FetchOptions options;
    options.object = said.info;
    if (at_hand != nullptr) {
      replaced_.fetch_add(told && is_told(at_hand->info) && at_hand->info.validator != said.info.validator ? 1 : 0,
                          std::memory_order_relaxed);
      options.instead_of = std::shared_ptr<const fill::Fetched>(at_hand, &at_hand->fetched);
    }
    open(source, std::move(options), std::make_shared<const Told>(Told{std::move(said), freshness, Told::By::origin}));
  }
}

void Objects::look(const Source& source, ByteRange first) {
  const auto told = std::make_shared<Told>();
  fill::FetchOptions options;
  options.any_version = options_.offline;
  options.first = options_.offline ? ByteRange{} : first;
  options.retry.give_up = fill::Seconds(0);
  options.found = [this, told, source](const store::Lease& lease) {
    const auto known = file::contained([&]() -> Result<bool> {
      if (has_anything(lease.resource())) {
        told->here = lease.validator();
      }
      auto noted = told_by_note(source, lease);
      if (noted) {
        *told = std::move(*noted);
      } else if (const auto note = lease.note(); note && !note->empty()) {
        told->doubted = std::make_shared<store::Lease>(lease.entry().shared_from_this());
      }
      return noted.has_value();
    });
    return known && *known;
  };
  options.before_asking = [this, told, source]() -> Result<void> {
    told->refusal = paused(source);
    told->was_asked = !told->refusal;
    return told->was_asked ? Result<void>() : fail(told->refusal->error.clone());
  };
  options.accept = [told, source, asked = wall_clock()](const ObjectInfo& info) {
    return file::contained([&]() -> Result<void> {
      told->said = {info, asked, wall_clock()};
      told->by = Told::By::origin;
      told->freshness = ruled(source, told->said);
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

std::optional<Objects::Told> Objects::told_by_note(const Source& source, const store::Lease& lease) const {
  const auto note = lease.note();
  auto said = note ? said_in(*note) : std::nullopt;
  if (!said) {
    return std::nullopt;
  }
  said->info.validator = lease.validator();
  said->info.size = lease.resource().length();
  Told told{std::move(*said), {}, Told::By::note};
  told.freshness = ruled(source, told.said);
  // Of a clock that has been set back since nobody knows how old the note is. And the rules may be others by now.
  const bool may_serve = options_.offline ? told.said.info.size.has_value() : told.said.answered <= wall_clock();
  return may_serve && may_be_shared(told.said.info, told.freshness) ? std::optional(std::move(told)) : std::nullopt;
}

std::shared_ptr<const Said> Objects::note(const fill::Fetched& fetched, std::shared_ptr<const Said> noted,
                                          const Said& said) {
  // Of what has no versions nobody could tell later whether it is still the same.
  if (!is_told(said.info) || (noted != nullptr && !is_news(*noted, said))) {
    return noted;
  }
  notes_.keep(fetched.lease(), note_of(said).value_or(""));
  return std::make_shared<const Said>(said);
}

void Objects::open(const Source& source, fill::FetchOptions options, std::shared_ptr<const Told> told) {
  options.limits = options_.limits;
  if (source.rule && source.rule->read_ahead) {
    options.limits.window = *source.rule->read_ahead;
  }
  options.limits.window = std::min(options.limits.window, options_.most_ahead);
  options.first = options.first.clamped_to({options.first.begin, options.first.begin + options.limits.window});
  options.store_key = source.name;
  const auto for_one = std::make_shared<std::atomic<bool>>(false);
  // What opened it may have been a HEAD, or an earlier answer: each says anew for whom its bytes are.
  options.accept_bytes = [source, for_one](const ObjectInfo& info) {
    return file::contained([&]() -> Result<void> {
      const auto now = wall_clock();
      if (may_be_shared(info, ruled(source, {info, now, now}))) {
        return {};
      }
      for_one->store(true, std::memory_order_release);
      return fail(Errc::unsupported, "not to be shared");
    });
  };
  const std::string server = source.origin->server(source.key);
  auto begin = [this, source, server, for_one, options = std::move(options), told = std::move(told)] {
    fetcher_.async_open(
        source.origin, source.key, options, stop_.get_token(),
        [this, server, source, told, for_one](Result<fill::Fetched> opened) {
          open_next(server);
          if (told->was_asked && (told->refusal || (told->by == Told::By::origin && !options_.offline))) {
            heard(source, told->refusal ? &*told->refusal : nullptr);
          }
          auto found = file::contained([&]() -> Result<Open> {
            const bool full = !opened && opened.error().code == Errc::no_space && told->by == Told::By::origin;
            if (told->unshared || full) {
              return Open{nullptr, std::make_shared<Unshared>(Unshared{source, told->said.info, told->freshness})};
            }
            return opened ? Result<Open>(opened_as(*told, std::move(*opened), for_one))
                          : fail(std::move(opened.error()));
          });
          if (found && told->by == Told::By::note) {
            settle_noted(source, std::move(*found));
            return;
          }
          Found settled = found           ? Found(std::move(*found))
                          : told->refusal ? tl::unexpected(told->refusal->clone())
                                          : tl::unexpected(Failure{of_this_side(std::move(found.error())), true});
          if (told->doubted != nullptr && is_taken_back(settled)) {
            notes_.keep(store::Lease(told->doubted->entry().shared_from_this()), "");  // it might be believed later
          }
          settle(source.name, std::move(settled));
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

Objects::Open Objects::opened_as(const Told& told, fill::Fetched fetched,
                                 std::shared_ptr<const std::atomic<bool>> for_one) {
  if (told.by == Told::By::nobody) {
    const auto now = wall_clock();
    const Said said{{fetched.resource().length(), fetched.validator(), true, {}}, now, now};
    return {made({said.info, freshness_of(said), std::move(fetched), std::move(for_one)})};
  }
  auto noted = told.by == Told::By::note ? std::make_shared<const Said>(told.said) : note(fetched, nullptr, told.said);
  Open open{made({told.said.info, told.freshness, std::move(fetched), std::move(for_one), std::move(noted)})};
  if (told.by == Told::By::origin) {
    open.status.forward = told.here ? std::optional(http::CacheStatus::Forward::stale) : std::nullopt;
    open.status.stored = !told.here || !is_told(told.said.info) || *told.here != told.said.info.validator;
  }
  return open;
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

}  // namespace strandline::serve
