@0xf3b0c5a9d2714e68;

interface Customer {
  serve @0 (dish :Text, number :UInt32) -> stream;
  # A cast: the cook goes on as soon as there is room in the customer's mailbox.

  eaten @1 () -> (dishes :UInt32);
}
