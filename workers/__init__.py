"""What runs behind the queue: RQ workers and the clock that wakes them."""
