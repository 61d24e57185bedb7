#include <strandline/origin/memory_origin.h>

#include <algorithm>

namespace strandline::origin {
namespace {

constexpr std::size_t kPiece = 1 << 20;  // bytes at once, so that a stop is seen

tl::unexpected<Failure> failure(Errc code, std::string_view what = {}) noexcept {
  return tl::unexpected(Failure{Error::make(code, what)});
}

// `call` as a Result of its own, though memory may run out in it.
template <class T, class Call>
Outcome<T> contained(Call&& call) noexcept {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return failure(Errc::no_memory);
  }
}

}  // namespace

ObjectInfo MemoryOrigin::info_of(const Object& object) {
  return {object.content->size(), {Validator::Kind::strong, std::to_string(object.version)}, true, {}};
}

Outcome<MemoryOrigin::Object> MemoryOrigin::find(const std::string& key) {
  MutexLock lock(mutex_);
  const auto it = objects_.find(key);
  return it == objects_.end() ? Outcome<Object>(failure(Errc::not_found, key)) : it->second;
}

void MemoryOrigin::stat(std::string key, Reply<ObjectInfo> reply, std::stop_token stop) noexcept {
  reply(contained<ObjectInfo>([&]() -> Outcome<ObjectInfo> {
    if (stop.stop_requested()) {
      return failure(Errc::interrupted, key);
    }
    auto object = find(key);
    return object ? info_of(*object) : Outcome<ObjectInfo>(tl::unexpected(std::move(object.error())));
  }));
}

void MemoryOrigin::read(ReadRequest request, std::shared_ptr<Sink> sink, std::stop_token stop) noexcept {
  sink->end(contained<void>([&]() -> Outcome<void> {
    if (stop.stop_requested()) {
      return failure(Errc::interrupted, request.key);
    }
    auto object = find(request.key);
    if (!object) {
      return tl::unexpected(std::move(object.error()));
    }
    const ObjectInfo info = info_of(*object);
    if (request.if_match.kind != Validator::Kind::none && request.if_match != info.validator) {
      return failure(Errc::changed, request.key);
    }
    const auto given = [](Result<void> answer) -> Outcome<void> {
      return answer ? Outcome<void>() : tl::unexpected(Failure{std::move(answer.error())});
    };
    const std::span<const std::byte> content(*object->content);
    if (request.range.begin >= content.size() && (request.range.begin > 0 || !content.empty())) {
      Failure past{Error::make(Errc::invalid_range, request.key)};
      past.size = content.size();
      return tl::unexpected(std::move(past));
    }
    if (auto begun = given(sink->begin(info, request.range.begin)); !begun) {
      return begun;
    }
    const std::uint64_t end = std::min<std::uint64_t>(request.range.end, content.size());
    for (std::uint64_t at = request.range.begin; at < end;) {
      if (stop.stop_requested()) {
        return failure(Errc::interrupted, request.key);
      }
      const auto piece = content.subspan(at, std::min<std::uint64_t>(kPiece, end - at));
      if (auto taken = given(sink->bytes(at, piece)); !taken) {
        return taken;
      }
      at += piece.size();
    }
    return {};
  }));
}

void MemoryOrigin::write(WriteRequest request, Reply<ObjectInfo> reply, std::stop_token stop) noexcept {
  reply(contained<ObjectInfo>([&]() -> Outcome<ObjectInfo> {
    if (stop.stop_requested()) {
      return failure(Errc::interrupted, request.key);
    }
    auto content = std::make_shared<const std::vector<std::byte>>(request.content.begin(), request.content.end());
    MutexLock lock(mutex_);
    const auto it = objects_.find(request.key);
    const bool there = it != objects_.end();
    if ((request.if_absent && there) || (request.if_match.kind != Validator::Kind::none &&
                                         (!there || info_of(it->second).validator != request.if_match))) {
      return failure(Errc::changed, request.key);
    }
    Object& object = there ? it->second : objects_[request.key];
    object = {std::move(content), ++versions_};
    return info_of(object);
  }));
}

void MemoryOrigin::remove(std::string key, Reply<void> reply, std::stop_token stop) noexcept {
  if (stop.stop_requested()) {
    return reply(failure(Errc::interrupted, key));
  }
  {
    MutexLock lock(mutex_);
    objects_.erase(key);
  }
  reply({});
}

void MemoryOrigin::list(ListRequest request, Reply<ListPage> reply, std::stop_token stop) noexcept {
  reply(contained<ListPage>([&]() -> Outcome<ListPage> {
    if (stop.stop_requested() || request.limit == 0) {
      return failure(request.limit == 0 ? Errc::invalid_argument : Errc::interrupted, "list");
    }
    ListPage page;
    MutexLock lock(mutex_);
    auto it = request.after.empty() ? objects_.lower_bound(request.prefix) : objects_.upper_bound(request.after);
    for (; it != objects_.end() && it->first.starts_with(request.prefix); ++it) {
      if (page.items.size() == request.limit) {
        page.next = page.items.back().key;
        break;
      }
      page.items.push_back({it->first, it->second.content->size()});
    }
    return page;
  }));
}

}  // namespace strandline::origin
