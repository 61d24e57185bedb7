#include <tests/store/crash/crash_checker.h>

#include <utility>

namespace strandline::testing {

CrashChecker::CrashChecker(std::uint64_t seed, Broken broken, std::shared_ptr<const store::SecretKey> secret)
    : broken_(broken), files_(std::make_shared<SimulatedFiles>()), workload_(seed, std::move(secret)) {
  workload_.dead = [this] { return files_->dead(); };
}

bool CrashChecker::run(unsigned crashes, unsigned states) {
  auto& random = workload_.random();
  for (unsigned crash = 0; crash < crashes; ++crash) {
    files_->die_within(1 + random() % 80);
    if (!open(crash == 0 ? Crash::none : Crash::kill)) {
      return false;
    }
    while (workload_.is_open() && workload_.step()) {
    }
    workload_.close();
    if (!violation().empty()) {
      return false;
    }
    const auto died = files_;
    const auto model = workload_.model().clone();
    for (unsigned state = 0; state < states; ++state) {
      ++states_;
      files_ = died->clone();
      workload_.set_model(model.clone());
      Crash how = random() % 4 == 0 ? Crash::kill : Crash::power;
      const auto strike = [&] { how == Crash::kill ? files_->restart() : files_->lose_power(random); };
      strike();
      // Recovering may be cut short as well, in the same way or by the power.
      for (unsigned again = static_cast<unsigned>(random() % 3); again > 0; --again) {
        files_->die_within(1 + random() % 12);
        if (!open(how)) {
          return false;
        }
        workload_.close();
        if (!files_->dead()) {
          break;
        }
        if (random() % 2 == 0) {
          how = Crash::power;
        }
        strike();
      }
      files_->die_within(0);
      if (!open(how)) {
        return false;
      }
      workload_.close();
    }
  }
  return true;
}

}  // namespace strandline::testing
