"""What stands between the network and the answers: guards, errors, parameters."""
