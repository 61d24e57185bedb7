// ReadJob: one read of a file, a piece per step. CallJob: any other call, in one step.
// Threads: those of the queue. Blocks: as FileTree. Errors: told to the sink or the reply. Cost: see FileOrigin.
// Lifetime: the queue's; tree and queue outlive it.
#pragma once

#include <strandline/origin/file/file_tree.h>
#include <strandline/origin/file/work_queue.h>

#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

namespace strandline::origin::file {

class ReadJob final : public Job {
 public:
  // With a queue: a stop ends the wait for max_rate.
  ReadJob(const FileTree& tree, ReadRequest request, std::shared_ptr<Sink> sink, Ending ending,
          WorkQueue* queue) noexcept;

  std::optional<Sync::time_point> step(Scratch& scratch) noexcept override;
  void refuse(Error error, bool may_pass) noexcept override;

 private:
  struct Hasten {
    WorkQueue* queue;
    Job* job;
    void operator()() const noexcept { queue->hasten(*job); }
  };

  [[nodiscard]] Outcome<void> start() noexcept;
  [[nodiscard]] Outcome<void> piece(Scratch& scratch) noexcept;
  // Is what has been read of the version that begin() told of?
  [[nodiscard]] Outcome<void> check_version() const noexcept;
  [[nodiscard]] std::size_t piece_size() const noexcept;
  // When the next piece may be handed on.
  [[nodiscard]] Sync::time_point pace(Sync::time_point before) const noexcept;

  const FileTree& tree_;
  const ReadRequest request_;
  const std::shared_ptr<Sink> sink_;
  const Ending ending_;
  Place::Opened file_;
  bool started_ = false;
  std::uint64_t at_ = 0;   // of the next piece
  std::uint64_t end_ = 0;  // of the range, or of the file
  Sync::time_point due_{};
  std::optional<std::stop_callback<Hasten>> on_stop_;  // the first to go, for it may be running
};

template <class T, class Call>
class CallJob final : public Job {
 public:
  CallJob(Call call, Reply<T> reply) noexcept : call_(std::move(call)), reply_(std::move(reply)) {}
  std::optional<Sync::time_point> step(Scratch&) noexcept override {
    reply_(call_());
    return std::nullopt;
  }
  void refuse(Error error, bool may_pass) noexcept override {
    reply_(tl::unexpected(Failure{std::move(error), may_pass}));
  }

 private:
  Call call_;
  const Reply<T> reply_;
};

}  // namespace strandline::origin::file
