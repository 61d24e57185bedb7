// What is behind a URL as a file in a folder (FUSE), for programs that know nothing of Strandline. It is being
// downloaded meanwhile; what they read is fetched next. Runs until SIGINT, SIGTERM, SIGHUP or `umount FOLDER`.
#include <strandline/fill/fetcher.h>
#include <strandline/origin/origins.h>

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 12)
#include <fuse.h>
#include <pthread.h>
#include <signal.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <semaphore>
#include <span>
#include <string>
#include <thread>

using namespace strandline;

namespace {

struct Mounted {
  std::string path;  // as FUSE asks for it: "/film.mp4"
  Resource<store::EntryDriver> content;
  std::stop_token stop;
};
const Mounted& mounted() {
  return *static_cast<const Mounted*>(fuse_get_context()->private_data);
}

void* begin(fuse_conn_info*, fuse_config* config) {
  config->kernel_cache = 1;  // the content of a version never changes
  return fuse_get_context()->private_data;
}

int attributes(const char* path, struct stat* out, fuse_file_info*) {
  *out = {};
  if (path == std::string_view("/")) {
    out->st_mode = S_IFDIR | 0555;
    out->st_nlink = 2;
  } else if (path == mounted().path) {
    out->st_mode = S_IFREG | 0444;
    out->st_nlink = 1;
    out->st_size = static_cast<off_t>(mounted().content.length().value_or(0));
  } else {
    return -ENOENT;
  }
  return 0;
}

int list(const char*, void* out, fuse_fill_dir_t add, off_t, fuse_file_info*, fuse_readdir_flags) {
  add(out, mounted().path.c_str() + 1, nullptr, 0, fuse_fill_dir_flags{});
  return 0;
}

int open_file(const char*, fuse_file_info* file) {
  return (file->flags & O_ACCMODE) == O_RDONLY ? 0 : -EROFS;
}

// As read(2) of a file: everything that was asked for, or what there is up to the end. Each call has a thread.
int read_file(const char*, char* out, std::size_t size, off_t offset, fuse_file_info*) {
  const auto bytes = std::as_writable_bytes(std::span(out, size));
  const auto count = mounted().content.wait_read_at(static_cast<std::uint64_t>(offset), bytes,
                                                    {.stop = mounted().stop, .deadline = {}});
  if (!count) {
    std::fprintf(stderr, "%s\n", count.error().message().c_str());
    return count.error().code == Errc::interrupted ? -EINTR : -EIO;
  }
  return static_cast<int>(*count);
}

int serve(const Mounted& file, std::stop_source stop, const sigset_t& ending, const char* program, const char* folder) {
  fuse_operations calls{};
  calls.init = begin;
  calls.getattr = attributes;
  calls.readdir = list;
  calls.open = open_file;
  calls.read = read_file;
  std::string name = program;
  char* arguments[] = {name.data(), nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, arguments);
  const std::unique_ptr<fuse, decltype(&fuse_destroy)> mount(
      fuse_new(&args, &calls, sizeof(calls), const_cast<Mounted*>(&file)), &fuse_destroy);
  fuse_opt_free_args(&args);  // fuse_new has added to them
  if (mount == nullptr || fuse_mount(mount.get(), folder) != 0) {
    return 1;  // FUSE has said why
  }
  std::printf("%s%s\n", folder, file.path.c_str());
  std::fflush(stdout);

  // The loop looks whether to exit when a signal has woken it. That must not be one that is waited for here.
  struct sigaction wake {};
  wake.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &wake, nullptr);
  std::binary_semaphore over{0};
  std::thread ender([&, loop = ::pthread_self()] {
    int which = 0;
    ::sigwait(&ending, &which);
    stop.request_stop();  // ends the reads that wait: the loop waits for them
    fuse_exit(mount.get());
    do {
      ::pthread_kill(loop, SIGUSR1);
    } while (!over.try_acquire_for(std::chrono::milliseconds(100)));  // it may just have been about to sleep
  });
  const int result = fuse_loop_mt(mount.get(), nullptr);
  over.release();
  ::pthread_kill(ender.native_handle(), SIGTERM);  // had it been umount(8)
  ender.join();
  fuse_unmount(mount.get());
  return result == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    return std::fprintf(stderr, "usage: %s URL STORE FOLDER\n", *argv), 2;
  }
  sigset_t ending;
  ::sigemptyset(&ending);
  ::sigaddset(&ending, SIGINT);
  ::sigaddset(&ending, SIGTERM);
  ::sigaddset(&ending, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);  // in all threads: one waits for them

  auto fetcher = fill::Fetcher(store::Store::open(argv[2]).value(),
                               std::make_shared<fill::Filler>(fill::Filler::create({.connections = 4}).value()));
  auto found = origin::Origins().find(argv[1]).value();
  const auto fetched = fetcher.open(found.origin, found.key);
  if (!fetched || !fetched->resource().length()) {
    return std::fprintf(stderr, "%s\n", fetched ? "of unknown length" : fetched.error().message().c_str()), 1;
  }
  std::string name = std::string(argv[1]).substr(0, std::string_view(argv[1]).find_first_of("?#"));
  name.erase(0, name.find_last_of('/'));
  std::stop_source stop;
  return serve({name, fetched->resource(), stop.get_token()}, stop, ending, argv[0], argv[3]);
}
