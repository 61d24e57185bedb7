// MemoryOrigin: objects in memory: for tests, and for content that a program makes itself.
// Threads: thread-safe; replies and sinks are called on the caller's thread, before the call returns. Blocks: never.
// Errors: not_found, changed, invalid_range; no_memory. Cost: a copy of what is written; reads are given the bytes in
// place, in pieces of at most 1 MiB, at any rate. Lifetime: a read goes on with the version that it began with.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/origin/origin.h>

#include <map>

namespace strandline::origin {

class MemoryOrigin final : public Origin {
 public:
  [[nodiscard]] std::string name() const override { return "memory"; }
  void stat(std::string key, Reply<ObjectInfo> reply, std::stop_token stop) noexcept override;
  void read(ReadRequest request, std::shared_ptr<Sink> sink, std::stop_token stop) noexcept override;
  void write(WriteRequest request, Reply<ObjectInfo> reply, std::stop_token stop) noexcept override;
  void remove(std::string key, Reply<void> reply, std::stop_token stop) noexcept override;
  void list(ListRequest request, Reply<ListPage> reply, std::stop_token stop) noexcept override;

 private:
  struct Object {
    std::shared_ptr<const std::vector<std::byte>> content;
    std::uint64_t version = 0;
  };
  [[nodiscard]] static ObjectInfo info_of(const Object& object);
  [[nodiscard]] Outcome<Object> find(const std::string& key) STRANDLINE_EXCLUDES(mutex_);

  Mutex mutex_;  // a leaf
  std::map<std::string, Object> objects_ STRANDLINE_GUARDED_BY(mutex_);
  std::uint64_t versions_ STRANDLINE_GUARDED_BY(mutex_) = 0;
};

}  // namespace strandline::origin
