#include "control/discovery/ec2/question.h"

#include <array>

#include "control/discovery/ec2/signature.h"

namespace sluice::control::discovery::ec2 {
namespace {

// Those that are to be drained are asked for, too: they are still there.
constexpr std::array<std::string_view, 3> states{"running", "shutting-down", "stopping"};

void append_filter(std::string& form, std::size_t number, std::string_view name) {
  form += "&Filter." + std::to_string(number) + ".Name=";
  append_form_encoded(form, name);
}

void append_value(std::string& form, std::size_t filter, std::size_t number,
                  std::string_view value) {
  form += "&Filter." + std::to_string(filter) + ".Value." + std::to_string(number) + "=";
  append_form_encoded(form, value);
}

}  // namespace

std::string Question::fingerprint() const {
  std::string text = region + '\n' + endpoint + '\n' + std::to_string(timeout.count());
  for (const TagFilter& tag : tags) {
    text += '\n' + std::to_string(tag.name.size()) + ':' + tag.name;
    for (const std::string& value : tag.values) {
      text += ' ' + std::to_string(value.size()) + ':' + value;
    }
  }
  return text;
}

std::string form_of(const Question& question, std::string_view token) {
  std::string form = "Action=DescribeInstances&Version=2016-11-15";
  std::size_t filter = 0;
  for (const TagFilter& tag : question.tags) {
    append_filter(form, ++filter, "tag:" + tag.name);
    std::size_t number = 0;
    for (const std::string& value : tag.values) append_value(form, filter, ++number, value);
  }
  append_filter(form, ++filter, "instance-state-name");
  std::size_t number = 0;
  for (const std::string_view state : states) append_value(form, filter, ++number, state);
  form += "&MaxResults=" + std::to_string(page_instances);
  if (!token.empty()) {
    form += "&NextToken=";
    append_form_encoded(form, token);
  }
  return form;
}

}  // namespace sluice::control::discovery::ec2
