// Download: one URL on its way to one FILE, over FILE.part.data and FILE.part.journal, which the next one goes on from.
// Threads: run() on one; resource() on another; snapshot() on any. Blocks: run() until FILE is there or it has failed;
// resource() until there is one. Errors: Refusal: why, and which exit code that is. Cost: a part file's, and a fill's.
// Lifetime: its events, and the filler of run(), outlive it.
#pragma once

#include <strandline/fill/filler.h>
#include <strandline/fill/part_file.h>

#include "../progress.h"
#include "place.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace strandline::tool {

struct Refusal {
  Error error;
  int exit = 1;
};

struct DownloadRequest {
  Place place;
  std::filesystem::path file;
  std::string sha256;    // in lower case; empty: any
  bool replace = false;  // FILE, and what is left of another URL's
  bool play = false;     // resource() will be read: what has been read stays true
};

class Download {
 public:
  using PartResource = Resource<store::EntryDriver>;
  // Called on the threads that run() uses, and must be short.
  class Events {
   public:
    virtual ~Events() = default;
    // So much has been found, of an earlier one.
    virtual void resumed(const Download& download, std::uint64_t bytes) = 0;
    // What has been found is given up, because of this.
    virtual void restarted(const Download& download, const Error& why) = 0;
  };
  struct Snapshot {
    std::optional<std::uint64_t> length;
    RangeSet there;
    std::uint64_t retries = 0;
  };

  Download(DownloadRequest request, Events& events);
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;
  ~Download() = default;

  [[nodiscard]] const DownloadRequest& request() const noexcept { return request_; }
  // Once.
  [[nodiscard]] tl::expected<void, Refusal> run(fill::Filler& filler, const std::stop_token& stop);
  // When the origin has confirmed what is there; none: it never will.
  [[nodiscard]] std::optional<PartResource> resource() STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Snapshot snapshot() const STRANDLINE_EXCLUDES(mutex_);
  // What came in this run, and when.
  [[nodiscard]] const Arrivals& arrivals() const noexcept { return *arrivals_; }
  // Of this run's beginning.
  [[nodiscard]] std::uint64_t found() const noexcept { return found_.load(std::memory_order_relaxed); }

 private:
  [[nodiscard]] tl::expected<void, Refusal> fetch(fill::Filler& filler, const std::stop_token& stop);
  [[nodiscard]] Result<void> fetch_once(fill::Filler& filler, const std::stop_token& stop) STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] tl::expected<void, Refusal> check_file() const;
  [[nodiscard]] Result<std::optional<fill::PartFile>> find();
  [[nodiscard]] Result<std::unique_ptr<fill::Target>> make(const origin::ObjectInfo& object)
      STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] tl::expected<void, Refusal> finish(const std::stop_token& stop) STRANDLINE_EXCLUDES(mutex_);
  void publish(const PartResource& resource) STRANDLINE_EXCLUDES(mutex_);
  void show(const fill::Fill* fill) STRANDLINE_EXCLUDES(mutex_);
  // Ends resource()'s wait.
  void over() noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Refusal explained(Error error) const;

  const DownloadRequest request_;
  Events& events_;
  const std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();
  std::atomic<std::uint64_t> found_{0};  // written by run()'s threads, one after the other
  std::optional<fill::PartFile> part_;   // run()'s, and while a fill begins, the origin's thread's
  Subscription subscription_;            // likewise

  mutable Mutex mutex_;  // a leaf
  CondVar changed_;
  std::optional<PartResource> resource_ STRANDLINE_GUARDED_BY(mutex_);  // once confirmed
  const fill::Fill* fill_ STRANDLINE_GUARDED_BY(mutex_) = nullptr;      // while one runs
  bool over_ STRANDLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace strandline::tool
