#include <strandline/drivers/file/failure.h>
#include <strandline/serve/control/changes/prefetches.h>
#include <strandline/serve/log/without_secrets.h>

#include <algorithm>
#include <utility>

namespace strandline::serve {
namespace {

constexpr std::size_t kAtOnce = 16;
constexpr std::size_t kMostQueued = 10'000;
constexpr std::size_t kFailuresKept = 1000;

}  // namespace

bool Prefetches::add(Request request) {
  if (queued_.size() >= kMostQueued || stop_.stop_requested()) {
    return false;
  }
  std::erase_if(failed_, [&](const Failure& each) { return each.name == request.source.name; });
  queued_.push_back(std::move(request));
  return true;
}

void Prefetches::look() {
  for (auto it = running_.begin(); it != running_.end();) {
    if (!(*it)->ended.load(std::memory_order_acquire)) {
      ++it;
      continue;
    }
    if (!(*it)->error.empty()) {
      failed_.push_back({(*it)->request.source.name, (*it)->error});
      if (failed_.size() > kFailuresKept) {
        failed_.pop_front();
      }
    }
    it = running_.erase(it);
  }
  while (!queued_.empty() && running_.size() < kAtOnce) {
    auto next = std::make_shared<Running>(std::move(queued_.front()), wake_);
    queued_.pop_front();
    running_.push_back(next);
    begin(next);
  }
}

void Prefetches::stop() noexcept {
  queued_.clear();
  stop_.request_stop();
}

void Prefetches::begin(const std::shared_ptr<Running>& running) {
  // Its first byte: what only a HEAD has told of would be opened anew, behind its back, for the next who reads it.
  const std::uint64_t begin = running->request.range.begin;
  const ByteRange first{begin, std::min(begin + 1, running->request.range.end)};
  objects_->find(
      running->request.source, http::CacheControl(), [first] { return first; },
      [this, running](Objects::Found found) {
        auto waits = file::contained([&]() -> Result<void> {
          opened(running, std::move(found));
          return {};
        });
        if (!waits) {
          running->error = waits.error().message();
          end(*running);
        }
      });
}

void Prefetches::opened(const std::shared_ptr<Running>& running, Objects::Found found) {
  if (!found) {
    running->error = without_secrets(found.error().error.message());
    end(*running);
    return;
  }
  if (found->object == nullptr) {
    running->error = "it is for one client only, and is not kept";
    end(*running);
    return;
  }
  if (found->failure != nullptr && !found->object->fetched.resource().contains(running->request.range)) {
    running->error = without_secrets(found->failure->error.message());
    end(*running);
    return;
  }
  running->object = found->object;
  WaitOptions options;
  options.stop = stop_.get_token();
  options.urgency = Urgency::background;
  running->object->fetched.resource().async_wait(
      running->request.range, options, [running](Result<WaitOutcome> outcome) {
        if (!outcome) {
          const auto why = running->object->fetched.given_up();
          running->error = without_secrets((why ? *why : outcome.error()).message());
        } else if (const auto length = running->object->fetched.resource().length();
                   *outcome == WaitOutcome::eof && length && *length <= running->request.range.begin &&
                   running->request.range.begin > 0) {
          running->error = "it ends at " + std::to_string(*length);
        }
        end(*running);
      });
}

void Prefetches::end(Running& running) noexcept {
  const auto wake = std::move(running.wake);
  running.ended.store(true, std::memory_order_release);
  wake();
}

const std::string* Prefetches::under_way(std::uint64_t id) const {
  for (const Request& request : queued_) {
    if (object_id(request.source.name) == id) {
      return &request.source.name;
    }
  }
  for (const auto& running : running_) {
    if (object_id(running->request.source.name) == id) {
      return &running->request.source.name;
    }
  }
  return nullptr;
}

const Prefetches::Failure* Prefetches::failure(std::uint64_t id) const {
  const auto found =
      std::find_if(failed_.begin(), failed_.end(), [id](const Failure& each) { return object_id(each.name) == id; });
  return found != failed_.end() ? &*found : nullptr;
}

}  // namespace strandline::serve
