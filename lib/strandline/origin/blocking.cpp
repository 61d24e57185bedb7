#include <strandline/base/mutex.h>
#include <strandline/origin/blocking.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

namespace strandline::origin::blocking {
namespace {

// Of one page of all.
constexpr std::size_t kPageKeys = 10'000;

// What is waited for. On the caller's stack: it is told once, and looked at under the mutex that it was told under.
template <class T>
class Awaited {
 public:
  void tell(Outcome<T> outcome) noexcept {
    MutexLock lock(mutex_);
    outcome_.emplace(std::move(outcome));
    told_.notify_all();
  }
  [[nodiscard]] Outcome<T> wait() noexcept {
    MutexLock lock(mutex_);
    while (!outcome_) {
      told_.wait(mutex_);
    }
    return std::move(*outcome_);
  }

 private:
  Mutex mutex_;
  CondVar told_;
  std::optional<Outcome<T>> outcome_ STRANDLINE_GUARDED_BY(mutex_);
};

// call(reply), and the answer. Throws what the call throws before it is the origin's.
template <class T, class Call>
Outcome<T> answer_of(Call&& call) {
  Awaited<T> awaited;
  call(Reply<T>([&awaited](Outcome<T> outcome) { awaited.tell(std::move(outcome)); }));  // small: no memory needed
  return awaited.wait();
}

class Collector final : public Sink {
 public:
  Collector(ByteRange range, Validator if_match, std::size_t most)
      : range_(range), if_match_(std::move(if_match)), most_(most) {}

  Result<void> begin(const ObjectInfo& object, std::uint64_t) noexcept override {
    try {
      // The origin has seen to a strong one.
      if (if_match_.kind == Validator::Kind::weak && object.validator != if_match_) {
        return fail(Errc::changed, "not the version asked for");
      }
      content_.object = object;
      if (object.size) {
        const std::uint64_t size = range_.clamped_to({0, *object.size}).size();
        if (size > most_) {
          return too_large();
        }
        content_.bytes.reserve(static_cast<std::size_t>(size));
      }
      return {};
    } catch (const std::bad_alloc&) {
      return fail(Errc::no_memory, "to read into");
    }
  }

  Result<void> bytes(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    // From an origin that begins at 0 whatever it is asked.
    data = data.subspan(static_cast<std::size_t>(
        std::min<std::uint64_t>(data.size(), offset < range_.begin ? range_.begin - offset : 0)));
    if (data.size() > most_ - content_.bytes.size()) {
      return too_large();
    }
    try {
      content_.bytes.insert(content_.bytes.end(), data.begin(), data.end());
      return {};
    } catch (const std::bad_alloc&) {
      return fail(Errc::no_memory, "to read into");
    }
  }

  void end(Outcome<void> outcome) noexcept override {
    awaited_.tell(std::move(outcome).map([this] { return std::move(content_); }));
  }

  [[nodiscard]] Outcome<Content> wait() noexcept { return awaited_.wait(); }

 private:
  [[nodiscard]] Result<void> too_large() const noexcept {
    return fail(Errc::too_large, "more than may be read at once");
  }

  const ByteRange range_;
  const Validator if_match_;
  const std::size_t most_;
  Content content_;  // the origin's, until the end is told
  Awaited<Content> awaited_;
};

Failure no_memory() noexcept {
  return {Error::make(Errc::no_memory)};
}

}  // namespace

Outcome<ObjectInfo> stat(Origin& origin, std::string key, std::stop_token stop) noexcept {
  return answer_of<ObjectInfo>([&](auto reply) { origin.stat(std::move(key), std::move(reply), std::move(stop)); });
}

Outcome<bool> exists(Origin& origin, std::string key, std::stop_token stop) noexcept {
  return answer_of<bool>([&](auto reply) { origin.exists(std::move(key), std::move(reply), std::move(stop)); });
}

Outcome<std::uint64_t> size(Origin& origin, std::string key, std::stop_token stop) noexcept {
  return answer_of<std::uint64_t>([&](auto reply) { origin.size(std::move(key), std::move(reply), std::move(stop)); });
}

Outcome<Content> read(Origin& origin, ReadRequest request, std::size_t most, std::stop_token stop) noexcept {
  std::shared_ptr<Collector> sink;
  try {
    sink = std::make_shared<Collector>(request.range, request.if_match, most);
  } catch (const std::bad_alloc&) {
    return tl::unexpected(no_memory());
  }
  origin.read(std::move(request), sink, std::move(stop));
  return sink->wait();
}

Outcome<ObjectInfo> write(Origin& origin, WriteRequest request, std::stop_token stop) noexcept {
  return answer_of<ObjectInfo>(
      [&](auto reply) { origin.write(std::move(request), std::move(reply), std::move(stop)); });
}

Outcome<void> remove(Origin& origin, std::string key, std::stop_token stop) noexcept {
  return answer_of<void>([&](auto reply) { origin.remove(std::move(key), std::move(reply), std::move(stop)); });
}

Outcome<std::vector<ListPage::Item>> list(Origin& origin, std::string prefix, std::stop_token stop) noexcept {
  try {
    std::vector<ListPage::Item> all;
    ListRequest request{std::move(prefix), {}, kPageKeys};
    for (;;) {
      auto page = answer_of<ListPage>([&](auto reply) { origin.list(request, std::move(reply), stop); });
      if (!page) {
        return tl::unexpected(std::move(page.error()));
      }
      all.insert(all.end(), std::make_move_iterator(page->items.begin()), std::make_move_iterator(page->items.end()));
      if (!page->next) {
        return all;
      }
      if (*page->next == request.after) {
        return tl::unexpected(Failure{Error::make(Errc::corrupt, "a page of a list that leads to itself")});
      }
      request.after = std::move(*page->next);
    }
  } catch (const std::bad_alloc&) {
    return tl::unexpected(no_memory());
  }
}

}  // namespace strandline::origin::blocking
