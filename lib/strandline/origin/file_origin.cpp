#include <strandline/origin/file/read_job.h>
#include <strandline/origin/file_origin.h>

#include <new>

namespace strandline::origin {

using file::CallJob;
using file::Ending;

struct FileOrigin::Parts {
  Parts(file::Place place, const FileOriginOptions& options)
      : tree(std::move(place), options.durable), queue(options.threads) {}
  file::FileTree tree;
  file::WorkQueue queue;  // the first to go: its jobs use the tree
};

namespace {

// As a job; when there is no memory for one, the reply comes at once.
template <class T, class Call>
void post(file::WorkQueue& queue, Reply<T> reply, Call call) noexcept {
  std::unique_ptr<file::Job> job(new (std::nothrow) CallJob<T, Call>(std::move(call), std::move(reply)));
  if (!job) {
    // The constructor, and so the moves, did not run.
    return reply(tl::unexpected(Failure{Error::make(Errc::no_memory), true}));
  }
  queue.post(std::move(job));
}

}  // namespace

FileOrigin::FileOrigin(std::string root, std::unique_ptr<Parts> parts) noexcept
    : root_(std::move(root)), parts_(std::move(parts)) {}

FileOrigin::~FileOrigin() {
  parts_->queue.end();  // while callbacks can still call
}

Result<std::unique_ptr<FileOrigin>> FileOrigin::open(FileOriginOptions options) noexcept {
  if (options.threads < 1 || options.threads > 64) {
    return fail(Errc::invalid_argument, "a FileOrigin has 1 to 64 threads");
  }
  if (options.root.find('\0') != std::string::npos) {
    return fail(Errc::invalid_argument, "a NUL in the root");
  }
  try {
    auto place = file::Place::open(options.root);
    if (!place) {
      return fail(std::move(place.error().error));
    }
    auto parts = std::make_unique<Parts>(std::move(*place), options);
    return std::unique_ptr<FileOrigin>(new FileOrigin(std::move(options.root), std::move(parts)));
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "FileOrigin");
  }
}

std::string FileOrigin::name() const {
  return root_.empty() ? "files" : "files of " + root_;
}

void FileOrigin::stat(std::string key, Reply<ObjectInfo> reply, std::stop_token stop) noexcept {
  post<ObjectInfo>(parts_->queue, std::move(reply),
                   [&tree = parts_->tree, key = std::move(key), stop = std::move(stop)]() noexcept {
                     auto end = Ending(stop).now(key);
                     return end ? Outcome<ObjectInfo>(tl::unexpected(std::move(*end))) : tree.stat(key);
                   });
}

void FileOrigin::read(ReadRequest request, std::shared_ptr<Sink> sink, std::stop_token stop) noexcept {
  std::unique_ptr<file::Job> job(new (std::nothrow) file::ReadJob(
      parts_->tree, std::move(request), sink, Ending(std::move(stop), &parts_->queue.going()), &parts_->queue));
  if (!job) {
    return sink->end(tl::unexpected(Failure{Error::make(Errc::no_memory), true}));
  }
  parts_->queue.post(std::move(job));
}

void FileOrigin::write(WriteRequest request, Reply<ObjectInfo> reply, std::stop_token stop) noexcept {
  post<ObjectInfo>(
      parts_->queue, std::move(reply),
      [&tree = parts_->tree, request = std::move(request),
       ending = Ending(std::move(stop), &parts_->queue.going())]() noexcept { return tree.write(request, ending); });
}

void FileOrigin::remove(std::string key, Reply<void> reply, std::stop_token stop) noexcept {
  post<void>(
      parts_->queue, std::move(reply),
      [&tree = parts_->tree, key = std::move(key),
       ending = Ending(std::move(stop), &parts_->queue.going())]() noexcept { return tree.remove(key, ending); });
}

void FileOrigin::list(ListRequest request, Reply<ListPage> reply, std::stop_token stop) noexcept {
  post<ListPage>(
      parts_->queue, std::move(reply),
      [&tree = parts_->tree, request = std::move(request),
       ending = Ending(std::move(stop), &parts_->queue.going())]() noexcept { return tree.list(request, ending); });
}

}  // namespace strandline::origin
