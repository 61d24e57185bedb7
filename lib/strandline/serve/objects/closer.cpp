#include <strandline/serve/objects/objects.h>

namespace strandline::serve {

Closer::Closer() : thread_([this] { run(); }) {}

Closer::~Closer() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    more_.notify_all();
  }
  thread_.join();
}

void Closer::close(const Object* object) noexcept {
  MutexLock lock(mutex_);
  object->next = unused_;
  unused_ = object;
  more_.notify_all();
}

void Closer::run() noexcept {
  for (;;) {
    std::unique_ptr<const Object> unused;
    {
      MutexLock lock(mutex_);
      while (unused_ == nullptr && !ending_) {
        more_.wait(mutex_);
      }
      if (unused_ == nullptr) {
        return;
      }
      unused.reset(unused_);
      unused_ = unused->next;
    }
  }
}

}  // namespace strandline::serve
