// Engine: the thread that decides for all fills, and one that commits what they have filled; Server: what their
// transfers from one server have in common. Threads: notice() and add() on any; all else on its own. Blocks: stop(),
// for its threads. Errors: none of its own. Cost: a lock per event. Lifetime: the Filler's, which stops it; fills know
// it by a weak reference.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/fill/engine/tally.h>
#include <strandline/fill/filler.h>
#include <strandline/fill/planning/governor.h>

#include <boost/intrusive/list.hpp>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

namespace strandline::fill {

class FillState;
using Clock = std::chrono::steady_clock;

// What FillState is made of, to stand in the engine's lists without memory.
template <class Tag>
struct Place : boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                                boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {};
template <class Tag>
using Places = boost::intrusive::list<Place<Tag>, boost::intrusive::base_hook<typename Place<Tag>::list_base_hook>,
                                      boost::intrusive::constant_time_size<false>>;
struct Turn;      // would begin more than its server allows
struct Restless;  // has transfers under way, or something to do at a time

// The engine's thread's.
struct Server {
  explicit Server(unsigned connections, std::shared_ptr<Tally> tally = std::make_shared<Tally>())
      : connections(connections), governor(connections), tally(std::move(tally)) {}
  [[nodiscard]] unsigned free() const noexcept { return running < connections ? connections - running : 0; }
  // For what nobody waits for yet: once anybody has read, one connection is left for those who will wait.
  [[nodiscard]] unsigned free_background() const noexcept {
    const unsigned all = read ? std::max(1U, connections - 1) : connections;
    const unsigned most = urgent.empty() ? std::min(governor.allowed(), all) : 0;
    return running < most ? most - running : 0;
  }

  const unsigned connections;
  unsigned running = 0;  // transfers
  Governor governor;
  const std::shared_ptr<Tally> tally;  // of all servers
  Network network;
  bool known = false;       // is `network` measured?
  bool read = false;        // has anything been read while it came?
  std::uint64_t bytes = 0;  // that came since the last measurement
  Places<Turn> urgent;      // somebody waits for what they would bring
  Places<Turn> later;
};

class Engine : public std::enable_shared_from_this<Engine> {
 public:
  explicit Engine(FillerOptions options) : options_(options) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() = default;
  void start();
  // Ends all fills, and its threads.
  void stop() noexcept STRANDLINE_EXCLUDES(mutex_);

  [[nodiscard]] Result<std::shared_ptr<FillState>> add(FillRequest request) STRANDLINE_EXCLUDES(mutex_);
  // Something has happened to the fill. Needs no memory.
  void notice(std::shared_ptr<FillState> fill) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Calls its commit_target() soon: a disk takes its time over that, and all other fills would stand still.
  void commit(std::shared_ptr<FillState> fill) STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] const Tally& tally() const noexcept { return *tally_; }

 private:
  void run() noexcept STRANDLINE_EXCLUDES(mutex_);
  void run_commits() noexcept STRANDLINE_EXCLUDES(mutex_);
  void handle(FillState& fill, Clock::time_point now) noexcept STRANDLINE_EXCLUDES(mutex_);
  void look_at(const std::shared_ptr<FillState>& fill, Clock::time_point now) noexcept STRANDLINE_EXCLUDES(mutex_);
  void serve(Server& server, Clock::time_point now) noexcept STRANDLINE_EXCLUDES(mutex_);
  void make_way(Server& server) noexcept;
  void measure(Clock::time_point now) STRANDLINE_EXCLUDES(mutex_);
  // Null when the time has come, or it is to end.
  [[nodiscard]] std::shared_ptr<FillState> next_noticed() noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Clock::time_point next_time() const noexcept;
  // Its thread has still to be told.
  void notice_locked(std::shared_ptr<FillState> fill) noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] std::shared_ptr<Server> server_locked(const std::string& name) STRANDLINE_REQUIRES(mutex_);
  void drop(const std::shared_ptr<FillState>& fill) noexcept STRANDLINE_EXCLUDES(mutex_);

  const FillerOptions options_;
  const std::shared_ptr<Tally> tally_ = std::make_shared<Tally>();
  std::thread thread_;
  std::thread committer_;

  // The thread's. Those who stand in it, or in a server's lists, are in fills_.
  Places<Restless> restless_;
  Clock::time_point measured_{};

  Mutex mutex_;  // a leaf
  CondVar happened_;
  std::set<std::shared_ptr<FillState>> fills_ STRANDLINE_GUARDED_BY(mutex_);
  std::shared_ptr<FillState> noticed_ STRANDLINE_GUARDED_BY(mutex_);  // a list through next_noticed
  FillState* last_noticed_ STRANDLINE_GUARDED_BY(mutex_) = nullptr;   // meaningless when that is empty
  CondVar to_be_committed_;
  std::deque<std::shared_ptr<FillState>> commits_ STRANDLINE_GUARDED_BY(mutex_);
  bool no_more_commits_ STRANDLINE_GUARDED_BY(mutex_) = false;
  // Those that no fill has any more go when there are many.
  std::map<std::string, std::shared_ptr<Server>> servers_ STRANDLINE_GUARDED_BY(mutex_);
  bool stopping_ STRANDLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace strandline::fill
