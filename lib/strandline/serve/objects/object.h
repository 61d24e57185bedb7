// Object: a version of something that origins have, as it is open here, and what is known of it.
// Threads: values; what is open is shared as const. Blocks: never. Errors: none. Cost: cheap to look at. Lifetime:
// values; an Object's lease holds its entry.
#pragma once

#include <strandline/fill/fetcher.h>
#include <strandline/serve/objects/described.h>
#include <strandline/serve/objects/notes/said.h>
#include <strandline/serve/rules/rules.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

namespace strandline::serve {

// Where an object is.
struct Source {
  std::shared_ptr<origin::Origin> origin;
  std::string key;   // there
  std::string name;  // of its entry in the store: tells objects of all origins apart; empty: nothing of it is kept
  std::shared_ptr<const Rule> rule = nullptr;
};

[[nodiscard]] inline http::Freshness::Time wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// Does its origin tell versions apart?
[[nodiscard]] inline bool is_told(const origin::ObjectInfo& info) noexcept {
  return info.validator.kind != Validator::Kind::none;
}

// Any byte, or that there is none.
[[nodiscard]] inline bool has_anything(const Resource<store::EntryDriver>& resource) {
  const auto length = resource.length();
  return length == 0U || resource.next_gap(0) != ByteRange{0, length.value_or(kMaxOffset)};
}

// Any byte.
[[nodiscard]] inline bool has_bytes(const Resource<store::EntryDriver>& resource) {
  return resource.length() != 0U && has_anything(resource);
}

// Committed or not: its last byte is here before that.
[[nodiscard]] inline bool is_whole(const Resource<store::EntryDriver>& resource) {
  const auto length = resource.length();
  return length && resource.contains({0, *length});
}

// Is what is missing still to be had?
[[nodiscard]] inline bool can_go_on(const fill::Fetched& fetched) {
  return !fetched.lease().entry().is_past() && (!fetched.given_up() || is_whole(fetched.resource()));
}

struct Object {
  origin::ObjectInfo info;
  http::Freshness freshness;
  fill::Fetched fetched;
  // Has an answer that was to bring bytes of it said that they are for one client? Set on an origin's thread.
  std::shared_ptr<const std::atomic<bool>> for_one = nullptr;
  std::shared_ptr<const Said> noted = nullptr;  // what its note says, or will soon; null: nothing that is known
  std::chrono::steady_clock::time_point opened = std::chrono::steady_clock::now();
  bool by_head = false;  // no GET is known to have told its length
  Described described{info, wall_clock(), freshness.came()};
  mutable const Object* next = nullptr;  // the Closer's

  // Acquire: what has been noted of the refusal before is seen, too.
  [[nodiscard]] bool is_for_one() const noexcept {
    return for_one != nullptr && for_one->load(std::memory_order_acquire);
  }
};

// Is its length only what a HEAD has said? Some servers say 0 there, or what they like.
[[nodiscard]] inline bool is_doubted(const Object& object) {
  return object.by_head && !has_bytes(object.fetched.resource());
}

// What is for the one who asked: not kept, and read past the store.
struct Unshared {
  Source source;
  origin::ObjectInfo info;
  http::Freshness freshness;
  Described described{info, wall_clock()};
};

}  // namespace strandline::serve
