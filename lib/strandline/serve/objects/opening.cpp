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

// Where the origin says nothing, the server does (RFC 9111, section 4.2.2), and over both whoever runs it.
Freshness ruled(const Source& source, const Said& said, std::chrono::seconds untold_for) {
  Freshness freshness = freshness_of(said);
  const origin::CachingFields& fields = said.info.caching;
  if (!is_told(said.info) && fields.cache_control.empty() && fields.expires.empty() && fields.last_modified.empty()) {
    freshness = freshness.under({.fresh_for = untold_for});
  }
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

void Objects::heard(const Question& question, const Failure* failure) noexcept {
  if (failure != nullptr && question.stop.token().stop_requested()) {
    return;  // it was not the origin that said so
  }
  static_cast<void>(file::contained([&]() -> Result<void> {
    pauses_.heard(question.server, question.source.key, failure, std::chrono::steady_clock::now());
    return {};
  }));
}

void Objects::ask_for_one(const Questioned& question, Done done) {
  const Source& source = question->source;
  if (auto failure = paused(source)) {
    done(tl::unexpected(std::move(*failure)));
    end_question();
    return;
  }
  const auto kept = std::make_shared<Done>(std::move(done));
  source.origin->stat(
      source.key,
      [this, question, kept, asked = wall_clock()](origin::Outcome<ObjectInfo> info) {
        heard(*question, info ? nullptr : &info.error());
        auto found = file::contained([&]() -> Result<Open> {
          if (!info) {
            return fail(Errc::io);
          }
          const Freshness freshness = freshness_of({*info, asked, wall_clock()});
          return Open{nullptr, std::make_shared<Unshared>(Unshared{question->source, std::move(*info), freshness})};
        });
        constexpr http::CacheStatus kAsked{.forward = http::CacheStatus::Forward::bypass};
        (*kept)(!info   ? Found(tl::unexpected(Refused(std::move(info.error()), kAsked)))
                : found ? Found(std::move(*found))
                        : tl::unexpected(Failure{std::move(found.error()), true}));
        end_question();
      },
      question->stop.token());
}

void Objects::ask(const Questioned& question) {
  const Source& source = question->source;
  if (auto failure = paused(source)) {
    settle(question, tl::unexpected(std::move(*failure)));
    return;
  }
  source.origin->stat(
      source.key,
      [this, question, asked = wall_clock()](origin::Outcome<ObjectInfo> info) {
        heard(*question, info ? nullptr : &info.error());
        auto told = file::contained([&]() -> Result<void> {
          answered(question, asked, std::move(info));
          return {};
        });
        if (!told) {
          settle(question, tl::unexpected(Failure{std::move(told.error()), true}));
        }
      },
      question->stop.token());
}

void Objects::answered(const Questioned& question, Time asked, origin::Outcome<origin::ObjectInfo> info) {
  if (!info) {
    settle(question, tl::unexpected(std::move(info.error())));
    return;
  }
  const Source& source = question->source;
  std::shared_ptr<const Object> at_hand;
  long holders = 0;
  {
    MutexLock lock(mutex_);
    at_hand = slots_.find(source.name)->second.object;
    holders = at_hand.use_count();
  }
  constexpr long kSlotAndHere = 2;
  const bool goes_on = at_hand != nullptr && can_go_on(at_hand->fetched) && !at_hand->is_for_one();
  Said said{std::move(*info), asked, wall_clock()};
  const Freshness freshness = ruled(source, said, options_.untold_for);
  const bool told = is_told(said.info);
  const auto length = at_hand != nullptr ? at_hand->fetched.resource().length() : std::nullopt;
  // RFC 9111, section 4.3.5: what a HEAD tells another length of is not the same, whatever its validator.
  const bool is_as_long = !length || !said.info.size || *length == *said.info.size;
  const bool is_same = at_hand != nullptr && is_as_long && at_hand->info.validator == said.info.validator;
  if (!may_be_shared(said.info, freshness)) {
    settle(question, Open{nullptr, std::make_shared<Unshared>(Unshared{source, std::move(said.info), freshness})});
  } else if (goes_on && told && is_same) {
    auto noted = note(at_hand->fetched, at_hand->noted, said);
    settle(question, Open{made({std::move(said.info), freshness, at_hand->fetched, at_hand->for_one, std::move(noted),
                                at_hand->opened, at_hand->by_head})});
  } else if (goes_on && !told && !is_told(at_hand->info) && holders > kSlotAndHere &&
             !is_whole(at_hand->fetched.resource())) {
    settle(question, Open{std::move(at_hand)});  // another would break off those who read this one while it comes
  } else {
    if (at_hand != nullptr) {
      replaced_.fetch_add(told && is_told(at_hand->info) && !is_same ? 1 : 0, std::memory_order_relaxed);
    }
    if (at_hand != nullptr && !question->first.empty() && !options_.offline) {
      question->instead_of = std::move(at_hand);
      look(question);
      return;
    }
    fill::FetchOptions options;
    options.object = said.info;
    if (at_hand != nullptr) {
      options.instead_of = std::shared_ptr<const fill::Fetched>(at_hand, &at_hand->fetched);
    }
    open(question, std::move(options), std::make_shared<Told>(Told{std::move(said), freshness, Told::By::origin}));
  }
}

void Objects::look(const Questioned& question) {
  const auto told = std::make_shared<Told>();
  fill::FetchOptions options;
  options.first = options_.offline ? ByteRange{} : question->first;
  options.retry.give_up = fill::Seconds(0);
  if (const auto& before = question->instead_of; before != nullptr) {
    options.anew = true;
    options.instead_of = std::shared_ptr<const fill::Fetched>(before, &before->fetched);
  } else {
    options.found = [this, told, question](const store::Lease& lease) {
      const auto known = file::contained([&]() -> Result<bool> { return is_enough(*question, lease, *told); });
      return known && *known;
    };
  }
  options.before_asking = [this, told, question] {
    return file::contained([&]() -> Result<void> {
      if (!turn_away(question)) {
        return fail(Errc::interrupted, "nobody waits for it");
      }
      told->refusal = paused(question->source);
      told->was_asked = !told->refusal;
      if (told->refusal) {
        return fail(told->refusal->error.clone());
      }
      if (question->place != Question::Place::origin) {
        told->is_early = !origins_.take(question->server);
        if (told->is_early) {
          return fail(Errc::busy, "so many wait for its origin");
        }
        give_place_back(*question);
        question->place = Question::Place::origin;
      }
      return {};
    });
  };
  options.accept = [this, told, question, asked = wall_clock()](const ObjectInfo& info) {
    return file::contained([&]() -> Result<void> {
      told->said = {info, asked, wall_clock()};
      told->by = Told::By::origin;
      told->freshness = ruled(question->source, told->said, options_.untold_for);
      told->unshared = !may_be_shared(info, told->freshness);
      return told->unshared ? fail(Errc::unsupported, "not to be shared") : Result<void>();
    });
  };
  options.refused = [told](const origin::Failure& failure) { told->refusal = failure.clone(); };
  open(question, std::move(options), told);
}

bool Objects::is_enough(const Question& question, const store::Lease& lease, Told& told) const {
  const bool is_read = has_bytes(lease.resource());
  if (has_anything(lease.resource())) {
    told.here = lease.validator();
  }
  auto noted = told_by_note(question.source, lease);
  if (noted && (is_read || question.first.empty() || options_.offline)) {
    told = std::move(*noted);
    return true;
  }
  told.doubted = std::make_shared<store::Lease>(lease.entry().shared_from_this());
  // Of what another program has brought nothing is known, and nothing that would forbid it.
  const auto note = lease.note();
  return options_.offline && note && note->empty() && lease.resource().status().state == State::committed;
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
  told.freshness = ruled(source, told.said, options_.untold_for);
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

void Objects::open(const Questioned& question, fill::FetchOptions options, std::shared_ptr<Told> told) {
  const Source& source = question->source;
  options.limits = options_.limits;
  if (source.rule && source.rule->read_ahead) {
    options.limits.window = *source.rule->read_ahead;
  }
  options.limits.window = std::min(options.limits.window, options_.most_ahead);
  options.first = options.first.clamped_to({options.first.begin, options.first.begin + options.limits.window});
  options.store_key = source.name;
  const auto opening = std::make_shared<Opening>(Opening{question, std::move(options), std::move(told)});
  // What opened it may have been a HEAD, or an earlier answer: each says anew for whom its bytes are.
  opening->options.accept_bytes = [source, for_one = opening->for_one,
                                   untold_for = options_.untold_for](const ObjectInfo& info) {
    return file::contained([&]() -> Result<void> {
      const auto now = wall_clock();
      if (may_be_shared(info, ruled(source, {info, now, now}, untold_for))) {
        return {};
      }
      for_one->store(true, std::memory_order_release);
      return fail(Errc::unsupported, "not to be shared");
    });
  };
  disk_.stand({}, question.get(), [this, opening] {
    opening->question->place = Question::Place::disk;
    run(opening);
  });
}

void Objects::run(const std::shared_ptr<Opening>& opening) {
  const Question& question = *opening->question;
  fetcher_.async_open(question.source.origin, question.source.key, opening->options, question.stop.token(),
                      [this, opening](Result<fill::Fetched> result) { opened(opening, std::move(result)); });
}

void Objects::give_place_back(Question& question) {
  const auto place = std::exchange(question.place, Question::Place::none);
  if (place == Question::Place::disk) {
    disk_.give_back({});
  } else if (place == Question::Place::origin) {
    origins_.give_back(question.server);
  }
}

void Objects::stand_for_origin(const std::shared_ptr<Opening>& opening) {
  const Questioned question = opening->question;
  origins_.stand(question->server, question.get(), [this, opening] {
    opening->question->place = Question::Place::origin;
    run(opening);
  });
  bool left = false;
  {
    MutexLock lock(mutex_);
    left = question->left;
  }
  if (left) {
    settle_left(question);
  }
}

void Objects::opened(const std::shared_ptr<Opening>& opening, Result<fill::Fetched> result) {
  const Questioned question = opening->question;
  Told& told = *opening->told;
  give_place_back(*question);
  if (std::exchange(told.is_early, false)) {
    auto stands = file::contained([&]() -> Result<void> {
      stand_for_origin(opening);
      return {};
    });
    if (!stands) {
      settle(question, tl::unexpected(Failure{std::move(stands.error()), true}));
    }
    return;
  }
  if (told.was_asked && (told.refusal || (told.by == Told::By::origin && !options_.offline))) {
    heard(*question, told.refusal ? &*told.refusal : nullptr);
  }
  auto found = file::contained([&]() -> Result<Open> {
    const bool full = !result && result.error().code == Errc::no_space && told.by == Told::By::origin;
    if (told.unshared || full) {
      return Open{nullptr, std::make_shared<Unshared>(Unshared{question->source, told.said.info, told.freshness})};
    }
    return result ? Result<Open>(opened_as(*opening, std::move(*result))) : fail(std::move(result.error()));
  });
  if (found && told.by == Told::By::note) {
    settle_noted(question, std::move(*found));
    return;
  }
  Found settled = found          ? Found(std::move(*found))
                  : told.refusal ? tl::unexpected(told.refusal->clone())
                                 : tl::unexpected(Failure{of_this_side(std::move(found.error())), true});
  if (told.doubted != nullptr && is_taken_back(settled)) {
    // It might be believed later.
    notes_.keep(store::Lease(told.doubted->entry().shared_from_this()), std::string(kTakenBack));
  }
  settle(question, std::move(settled));
}

Objects::Open Objects::opened_as(const Opening& opening, fill::Fetched fetched) {
  const Told& told = *opening.told;
  if (told.by == Told::By::nobody) {
    const auto now = wall_clock();
    const Said said{{fetched.resource().length(), fetched.validator(), true, {}}, now, now};
    return {made({said.info, freshness_of(said), std::move(fetched), opening.for_one})};
  }
  auto noted = told.by == Told::By::note ? std::make_shared<const Said>(told.said) : note(fetched, nullptr, told.said);
  const bool by_head = !options_.offline && (told.by == Told::By::note || opening.question->first.empty());
  Open open{made({told.said.info, told.freshness, std::move(fetched), opening.for_one, std::move(noted),
                  std::chrono::steady_clock::now(), by_head})};
  if (told.by == Told::By::origin) {
    open.status.forward = told.here ? std::optional(http::CacheStatus::Forward::stale) : std::nullopt;
    open.status.stored = !told.here || !is_told(told.said.info) || *told.here != told.said.info.validator;
  }
  return open;
}

}  // namespace strandline::serve
