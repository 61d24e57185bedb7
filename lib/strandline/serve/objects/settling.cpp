// Objects: how questions begin, and who is told what has come of them.
#include <strandline/drivers/file/failure.h>
#include <strandline/serve/objects/objects.h>

#include <utility>

namespace strandline::serve {

using http::Reuse;
using origin::Failure;

bool Objects::is_taken_back(const Found& found) noexcept {
  return found ? found->object == nullptr
               : found.error().error.code == Errc::not_found || found.error().error.code == Errc::permission_denied;
}

void Objects::settle(const Questioned& question, Found found) {
  std::shared_ptr<const Object> before;  // ends outside the lock
  bool forgotten = false;
  std::shared_ptr<const Object> stale;
  std::list<Waiting> waiting;
  Questioned next;
  const bool was_stopped = !found && question->unwanted.stop_requested();
  if (was_stopped) {
    found.error().may_pass = true;  // it says nothing of the object
  }
  // For those for whom something stands in; without memory nothing does.
  const auto failure = file::contained([&]() -> Result<std::shared_ptr<const Failure>> {
    return found ? nullptr : std::make_shared<const Failure>(found.error().clone());
  });
  // For those who have come since it was left.
  auto anew = file::contained([&]() -> Result<Questioned> {
    return found ? nullptr : std::make_shared<Question>(question->source, ByteRange(), stop_.get_token());
  });
  {
    MutexLock lock(mutex_);
    Slot& slot = slots_.find(question->source.name)->second;
    slot.asking = nullptr;
    if (!found && anew && question->left && !slot.waiting.empty()) {
      next = std::move(*anew);
    } else {
      waiting.swap(slot.waiting);
    }
    if (found && found->object != nullptr) {
      before = std::exchange(slot.object, found->object);
      for (auto it = waiting.begin(); it != waiting.end() && question->first.empty();) {
        const auto one = it++;
        if (!one->first.empty() && is_doubted(*slot.object)) {
          slot.waiting.splice(slot.waiting.end(), waiting, one);
        }
      }
      next = slot.waiting.empty() ? nullptr : question;
    } else if (next != nullptr) {
      // Nothing has come of the one before.
    } else if (found || slot.object == nullptr || !found.error().may_pass) {
      before = std::move(slot.object);
      forgotten = before != nullptr && is_taken_back(found);
      used_.erase(slot.used);
      slots_.erase(question->source.name);
    } else if (failure) {
      stale = slot.object;  // whole or not: who asks for what is not here gets the failure
    }
    if (next != nullptr) {  // then the slot is there
      next->first = slot.waiting.front().first;
      slot.waiting.front().status.collapsed = false;
      prepare_locked(*next, slot);
      slot.asking = next;
    }
  }
  if (forgotten) {
    notes_.keep(before->fetched.lease(),
                std::string(kTakenBack));  // nor shall a later process go by what was said before
  }
  for (const Waiting& one : waiting) {
    // RFC 5861, section 4.
    const bool is_unread = stale != nullptr && !one.first.empty() && is_doubted(*stale);
    const bool stands_in =
        stale != nullptr && !is_unread && !stale->is_for_one() &&
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
  next != nullptr ? begin(next) : end_question();
}

void Objects::settle_noted(const Questioned& question, Open noted) {
  const auto now = wall_clock();
  std::list<Waiting> told;
  std::list<Waiting> away;
  bool asks = false;
  {
    MutexLock lock(mutex_);
    Slot& slot = slots_.find(question->source.name)->second;
    slot.object = noted.object;
    for (auto it = slot.waiting.begin(); it != slot.waiting.end();) {
      const auto one = it++;
      const Reuse how = reuse_for(*one, *noted.object, now);
      asks = asks || how == Reuse::while_validating;
      one->status.forward = why_asked(noted.object.get(), now);
      if (how != Reuse::validated) {
        told.splice(told.end(), slot.waiting, one);
      } else if (one->request.only_if_cached || one->alone != nullptr) {
        away.splice(away.end(), slot.waiting, one);
      }
    }
    questions_ += away.size();
    question->in_background = asks;
    if (!slot.waiting.empty()) {
      asks = true;
      question->first = slot.waiting.front().first;
      slot.waiting.front().status.collapsed = false;  // so far only the store has been asked
    }
    prepare_locked(*question, slot);
    slot.asking = asks ? question : nullptr;
  }
  for (const Waiting& one : told) {
    one.done(noted);
  }
  send_away(away);
  asks ? begin(question) : end_question();
}

Objects::Questioned Objects::question_locked(const Source& source, const Slot& slot, ByteRange first) const {
  auto question = std::make_shared<Question>(source, first, stop_.get_token());
  prepare_locked(*question, slot);
  return question;
}

void Objects::prepare_locked(Question& question, const Slot& slot) const noexcept {
  question.asks_origin = slot.object != nullptr;
  question.instead_of = nullptr;
  if (slot.object == nullptr || question.first.empty() || options_.offline) {
    return;
  }
  const Object& object = *slot.object;
  // Another version would break off those who read this one while it comes.
  const bool is_in_the_midst =
      slot.object.use_count() > 1 && can_go_on(object.fetched) && !is_whole(object.fetched.resource());
  if (is_doubted(object) || (!is_told(object.info) && !is_in_the_midst)) {
    question.instead_of = slot.object;
  }
}

void Objects::begin(const Questioned& question) {
  const auto begun = file::contained([&]() -> Result<void> {
    bool is_read = false;
    {
      MutexLock lock(mutex_);
      is_read = !question->asks_origin || question->instead_of != nullptr;
    }
    is_read ? look(question) : ask(question);
    return {};
  });
  if (!begun) {
    settle(question, tl::unexpected(Failure{begun.error().clone(), true}));
  }
}

void Objects::settle_left(const Questioned& question) noexcept {
  if (disk_.leave({}, question.get()) || origins_.leave(question->server, question.get())) {
    settle(question, tl::unexpected(Failure{Error::make(Errc::interrupted), true}));
  }
}

bool Objects::turn_away(const Questioned& question) noexcept {
  std::list<Waiting> away;
  bool is_wanted = false;
  {
    MutexLock lock(mutex_);
    Slot& slot = slots_.find(question->source.name)->second;
    question->asks_origin = true;
    for (auto it = slot.waiting.begin(); it != slot.waiting.end();) {
      const auto one = it++;
      if (one->request.only_if_cached || one->alone != nullptr) {
        away.splice(away.end(), slot.waiting, one);
      }
    }
    is_wanted = question->in_background || !slot.waiting.empty();
    question->left = question->left || !is_wanted;
    questions_ += away.size();
  }
  send_away(away);
  return is_wanted;
}

void Objects::send_away(std::list<Waiting>& away) noexcept {
  for (Waiting& one : away) {
    if (one.request.only_if_cached) {
      one.done(tl::unexpected(Failure{Error::make(Errc::timed_out, "only-if-cached"), true}));
      end_question();
    } else {
      ask_for_one(one.alone, std::move(one.done));
    }
  }
}

}  // namespace strandline::serve
