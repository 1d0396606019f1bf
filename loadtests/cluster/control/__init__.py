"""What a running node is told without JMX: orders as files in its folder, heeded by a class of ours in its JVM."""
