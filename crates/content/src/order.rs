//! Wares of a catalogue that a consumer orders.

use crate::{Error, Text, body, proto};

/// Most wares one order may name; a reader refuses more.
const MAX_ITEMS: usize = 100;

/// An order.
#[derive(Clone, PartialEq)]
pub struct Order {
    /// The catalogue, by the id that the business knows it by.
    pub catalog_id: Text,
    /// What the consumer says to it.
    pub text: Option<Text>,
    /// What is ordered; at least one.
    pub items: Vec<OrderItem>,
}

/// One line of an order.
#[derive(Clone, PartialEq)]
pub struct OrderItem {
    /// The ware, by the id that the business knows it by.
    pub product_retailer_id: Text,
    /// How many; at least one.
    pub quantity: u32,
    /// The price of one.
    pub price: f64,
    /// ISO 4217 code of the price.
    pub currency: Text,
}

impl Order {
    pub(crate) fn to_proto(&self) -> proto::Order {
        let items = self.items.iter().map(|item| proto::OrderItem {
            product_retailer_id: item.product_retailer_id.to_plain(),
            quantity: item.quantity,
            item_price: item.price,
            currency: item.currency.to_plain(),
        });
        proto::Order {
            catalog_id: self.catalog_id.to_plain(),
            text: body::plain(self.text.as_ref()),
            items: items.collect(),
        }
    }

    pub(crate) fn from_proto(order: proto::Order) -> Result<Self, Error> {
        // Also refuses what is no number at all.
        let is_item = |item: &proto::OrderItem| item.quantity > 0 && item.item_price.is_finite() && item.item_price >= 0.0;
        if order.items.is_empty() || order.items.len() > MAX_ITEMS || !order.items.iter().all(is_item) {
            return Err(Error::Member("order.items"));
        }
        let items = order.items.into_iter().map(|item| OrderItem {
            product_retailer_id: Text::new(item.product_retailer_id),
            quantity: item.quantity,
            price: item.item_price,
            currency: Text::new(item.currency),
        });
        Ok(Self {
            catalog_id: Text::new(order.catalog_id),
            text: body::some(order.text),
            items: items.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_wares_with_prices() {
        let item = |quantity, price| proto::OrderItem {
            product_retailer_id: "shirt".to_owned(),
            quantity,
            item_price: price,
            currency: "EUR".to_owned(),
        };
        let order = |items: Vec<proto::OrderItem>| {
            Order::from_proto(proto::Order {
                catalog_id: "7".to_owned(),
                text: String::new(),
                items,
            })
        };
        assert!(order(vec![item(1, 0.0), item(2, 12.5)]).is_ok());
        for items in [
            vec![],
            vec![item(0, 1.0)],
            vec![item(1, -1.0)],
            vec![item(1, f64::NAN)],
            vec![item(1, f64::INFINITY)],
            vec![item(1, 1.0); 101],
        ] {
            assert!(order(items).err() == Some(Error::Member("order.items")));
        }
    }
}
