return perform(ops[ARGV[1]])
