#include <bench/measure.h>
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string_view>

namespace strandline::bench {
namespace {

clockid_t id_of(Clock clock) noexcept {
  switch (clock) {
    case Clock::thread_cpu:
      return CLOCK_THREAD_CPUTIME_ID;
    case Clock::process_cpu:
      return CLOCK_PROCESS_CPUTIME_ID;
    case Clock::wall:
      break;
  }
  return CLOCK_MONOTONIC;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

// 1/500 rather than 0.002: that is how one thinks of it.
std::string limit_text(double limit) {
  const double inverse = 1 / limit;
  if (limit < 0.1 && std::abs(inverse - std::round(inverse)) < 1e-6) {
    return "1/" + number(std::round(inverse));
  }
  return number(limit);
}

// Nothing that we print needs more than its quotes.
std::string json_string(std::string_view text) {
  return '"' + std::string(text) + '"';
}

bool asked_for(const std::string& only, const std::string& id) {
  return only.empty() || ("," + only + ",").find("," + id + ",") != std::string::npos;
}

}  // namespace

double seconds(Clock clock) noexcept {
  timespec now{};
  ::clock_gettime(id_of(clock), &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double heap_bytes() noexcept {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<double>(info.uordblks) + static_cast<double>(info.hblkhd);
}

double median(std::vector<double> samples) {
  must(!samples.empty(), "a median of nothing");
  std::sort(samples.begin(), samples.end());
  const std::size_t middle = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
}

Gate Gate::operator&&(const Gate& other) const {
  Gate both = *this;
  both.bounds_.insert(both.bounds_.end(), other.bounds_.begin(), other.bounds_.end());
  return both;
}

bool Gate::met(double value, std::optional<double> ratio) const noexcept {
  return std::all_of(bounds_.begin(), bounds_.end(), [&](const Bound& bound) {
    if (bound.of == Of::ratio && !ratio) {
      return false;
    }
    const double seen = bound.of == Of::ratio ? *ratio : value;
    return bound.side == Side::at_most ? seen <= bound.limit : seen >= bound.limit;
  });
}

std::string Gate::text(const std::string& unit) const {
  std::string text;
  for (const Bound& bound : bounds_) {
    text += text.empty() ? "" : " and ";
    text += bound.side == Side::at_most ? "<= " : ">= ";
    text += bound.of == Of::ratio ? limit_text(bound.limit) : number(bound.limit) + " " + unit;
  }
  return text;
}

void report(const Row& row) {
  std::string line = "{\"id\":" + json_string(row.id) + ",\"case\":" + json_string(row.what) +
                     ",\"value\":" + number(row.value) + ",\"unit\":" + json_string(row.unit);
  std::optional<double> ratio;
  if (row.baseline) {
    line += ",\"baseline\":" + number(*row.baseline) + ",\"baseline_name\":" + json_string(row.baseline_name);
    if (*row.baseline > 0) {
      ratio = row.value / *row.baseline;
      line += ",\"ratio\":" + number(*ratio);
    }
  }
  if (row.gate) {
    line += ",\"gate\":" + json_string(row.gate->text(row.unit)) +
            ",\"met\":" + (row.gate->met(row.value, ratio) ? "true" : "false");
  }
  std::printf("%s}\n", line.c_str());
  std::fflush(stdout);
}

void report(std::string id, std::string what, std::string unit, double scale, Medians medians,
            std::string baseline_name, std::optional<Gate> gate) {
  report(Row{std::move(id), std::move(what), std::move(unit), medians.measured * scale, medians.baseline * scale,
             std::move(baseline_name), std::move(gate)});
}

int run(int argc, char** argv, const std::vector<Question>& questions) {
  Context context;
  std::string only;
  for (int index = 1; index < argc; ++index) {
    const std::string_view argument = argv[index];
    if (argument == "--quick") {
      context.quick = true;
    } else if (argument == "--only" && index + 1 < argc) {
      only = argv[++index];
    } else if (argument == "--list") {
      for (const Question& question : questions) {
        std::printf("%s\n", question.id.c_str());
      }
      return 0;
    } else {
      std::fprintf(stderr, "usage: %s [--quick] [--only B3,B4] [--list]\n", argv[0]);
      return 2;
    }
  }
  const Bystander bystander;
  for (const Question& question : questions) {
    if (!asked_for(only, question.id)) {
      continue;
    }
    try {
      question.answer(context);
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "%s: %s\n", question.id.c_str(), failure.what());
      return 1;
    }
  }
  return 0;
}

}  // namespace strandline::bench
