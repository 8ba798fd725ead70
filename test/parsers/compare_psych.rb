# Random configurations, read by Ruby's Psych (as pgsync does) and by us:
# whatever we accept must hold the same names, in the same order.
#
#     ruby compare_psych.rb DRIVER SEED CASES

require "yaml"

DRIVER, SEED, CASES = ARGV
srand(SEED.to_i)

NAMES = %w[a b c d users "q*" 'x'].freeze
RULES = %w[null ~ unique_email random_int "null" untouched] + ["{value: v}", "{statement: s}", ""]
CLAUSES = ["null", "~", '"where x"', "where y", "'z'"].freeze

def pick(list) = list[rand(list.size)]

# Defines an anchor now and then, and uses one now and then.
def anchored(kind)
  names = (@anchors[kind] ||= [])
  return "*#{pick(names)} " if names.any? && rand < 0.3
  text = yield
  return text unless rand < 0.5
  name = "#{kind}#{rand(3)}"
  text = "&#{name} #{text}"
  names << name unless names.include?(name)
  text
end

def merge(kind)
  names = @anchors[kind] || []
  return nil if names.empty? || rand < 0.4
  rand < 0.6 ? "<<: *#{pick(names)} " : "<<: [#{Array.new(1 + rand(3)) { "*#{pick(names)} " }.join(", ")}]"
end

def map(kind, values)
  anchored(kind) do
    pairs = NAMES.sample(rand(4)).map { |n| "#{n}: #{anchored("s#{kind}") { pick(values) }}" }
    2.times { (m = merge(kind)) && pairs.insert(rand(pairs.size + 1), m) }
    "{#{pairs.join(", ")}}"
  end
end

def list
  anchored("list") { "[#{Array.new(rand(4)) { rand < 0.8 ? pick(NAMES) : "[#{pick(NAMES)}, #{pick(CLAUSES)}]" }.join(", ")}]" }
end

def configuration
  @anchors = {}
  lines = ["groups:"]
  (1..(1 + rand(4))).each { |i| lines << "  g#{i}: #{rand < 0.6 ? map("map", CLAUSES) : list}" }
  lines << "data_rules:"
  lines << "  <<: #{map("rules", RULES)}" if rand < 0.5
  NAMES.sample(rand(4)).each { |n| lines << "  #{n}: #{pick(RULES)}" }
  lines << "  <<: #{map("rules", RULES)}" if rand < 0.3
  lines << "exclude: #{list}"
  lines.join("\n") + "\n"
end

def show(text) = text.nil? ? "-" : "\"#{text}\""

def rule(value)
  return "null -" if value.nil? || value == "null"
  return "#{value} -" unless value.is_a?(Hash)
  value.key?("value") ? "value #{show(value["value"])}" : "statement #{show(value["statement"])}"
end

def by_psych(text)
  config = YAML.safe_load(text, aliases: true)
  facts = (config["exclude"] || []).map { |n| "exclude #{show(n)}" }
  (config["groups"] || {}).each do |name, entries|
    facts << "group #{show(name)}"
    entries.each { |table, clause| facts << "entry #{show(table)} #{show(clause)}" }
  end
  (config["data_rules"] || {}).each { |name, value| facts << "rule #{show(name)} #{rule(value)}" }
  facts
end

accepted = 0
CASES.to_i.times do
  text = configuration
  File.write("psych.yml", text)
  ours = IO.popen([DRIVER, "config", "psych.yml", err: "psych.err"], &:read)
  next unless $?.success?
  accepted += 1
  ours = ours.lines.map { |l| l.chomp.sub(/ \d+\z/, "") }
  theirs = by_psych(text)
  next if ours == theirs
  puts text, "ours:", ours, "psych:", theirs
  exit 1
end
puts "#{accepted} of #{CASES} accepted, all the same"
exit accepted * 5 > CASES.to_i ? 0 : 1
